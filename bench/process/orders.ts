/** The answer to an order. */
export type Answer = { value: unknown } | { error: string };

/** Called in a worker: answers the orders of the process that forked it, one after another. */
export function answerOrders(answer: (order: never) => unknown): void {
  let before = Promise.resolve();
  const say = (message: Answer): void => {
    process.send?.(message);
  };
  process.on('message', (order: unknown) => {
    before = before.then(async () => {
      try {
        say({ value: await answer(order as never) });
      } catch (error) {
        say({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      }
    });
  });
  // The process that forked this one is done, or gone.
  process.once('disconnect', () => process.exit());
}
