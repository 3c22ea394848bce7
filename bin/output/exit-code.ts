/** Exit codes of every command. A command that a signal ended has 128 and the signal's number. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;
