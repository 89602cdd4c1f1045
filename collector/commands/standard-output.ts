/** Whether the text went to standard output; not when its reader has gone. */
export function wroteOut(text: string): Promise<boolean> {
  return new Promise((resolve) => {
    const gone = (): void => resolve(false);
    process.stdout.once("error", gone);
    process.stdout.write(text, (error) => {
      if (error !== null && error !== undefined) return;
      process.stdout.off("error", gone);
      resolve(true);
    });
  });
}
