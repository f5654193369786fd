/** What was opened, to be closed in the reverse order. */
export interface Opened {
  /** Closes it at the end, and gives it back. */
  keep<T extends { close(): unknown }>(resource: T): T;
  /** Does this at the end. */
  atEnd(close: () => unknown): void;
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
      for (const close of closers.splice(0).reverse()) await close();
    },
  };
};
