/** Environment variable with the image that the boot tests start. */
export const IMAGE_VARIABLE = "PADDOCK_BOOT_IMAGE";
/** Environment variable that is set when everything is to be run, not only what CI has time for. */
export const ALL_VARIABLE = "PADDOCK_BOOT_ALL";

/** Environment variable with the number of power cuts, where thirty take too long. */
export const CUTS_VARIABLE = "PADDOCK_BOOT_CUTS";

/** Environment variable with the seed of the power cuts, to cut as a run did that says it. */
export const SEED_VARIABLE = "PADDOCK_BOOT_SEED";

/** The image under test. Throws when the tests were not started by `npm run images`. */
export function imageUnderTest(): string {
  const image = process.env[IMAGE_VARIABLE];
  if (image === undefined) throw new Error("start these tests by: npm run images");
  return image;
}

/** The version of the image under test, and that of the release which tests install beside it. */
export const VERSIONS = { ours: "0.1.0", newer: "0.2.0" } as const;

/** Environment variable with an image of the newer release. */
export const NEWER_IMAGE_VARIABLE = "PADDOCK_BOOT_NEWER_IMAGE";

/** An image of a newer release. Throws when the tests were not started by `npm run images -- --all`. */
export function newerImage(): string {
  const image = process.env[NEWER_IMAGE_VARIABLE];
  if (image === undefined) throw new Error("start these tests by: npm run images -- --all");
  return image;
}

/** Environment variable with an image for arm64. */
export const ARM64_IMAGE_VARIABLE = "PADDOCK_BOOT_ARM64_IMAGE";

/** An image for arm64. Throws when the tests were not started by `npm run images -- --all`. */
export function arm64Image(): string {
  const image = process.env[ARM64_IMAGE_VARIABLE];
  if (image === undefined) throw new Error("start these tests by: npm run images -- --all");
  return image;
}

/** What `test` of node:test takes to leave out what is too long for CI. */
export const onDemand = {
  skip: process.env[ALL_VARIABLE] === undefined ? "on demand: npm run images -- --all" : false,
};

/**
 * Until a start that goes well has acknowledged a frame. On a quiet machine that is 40 seconds; on one with ten times more
 * to do than it has processors it was 563.
 */
export const START_LIMIT_MS = 1_200_000;
