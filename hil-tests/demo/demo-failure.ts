/** The demo cannot go on; the message is for whoever watches it. */
export class DemoFailure extends Error {
  override readonly name = "DemoFailure";
}
