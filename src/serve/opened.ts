/** What was opened, to be closed in the reverse order. */
export interface Opened {
  /** Closes it at the end, and gives it back. */
  keep<T extends { close(): unknown }>(resource: T): T;
  /** Does this at the end. */
  atEnd(close: () => unknown): void;
  /** Closes all of it, also where some cannot be closed: rejects with the first failure then. */
  closeAll(): Promise<void>;
}

/** Nothing yet. */
export const nothingOpened = (): Opened => {
  const closers: (() => unknown)[] = [];
  return {
    keep(resource) {
      closers.push(() => resource.close());
      return resource;
    },
    atEnd: (close) => void closers.push(close),
    async closeAll() {
      const failures: unknown[] = [];
      for (const close of closers.splice(0).reverse())
        try {
          await close();
        } catch (failure) {
          failures.push(failure);
        }
      if (failures.length > 0) throw failures[0];
    },
  };
};
