/** Progress, where somebody reads along; stdout is for the result. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
