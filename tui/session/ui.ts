/** What one viewer has chosen to see; everything that is not in the shared state. */
export interface PageUi {
  /** The row under the cursor, by id; `index` is where it was, for when it is gone. */
  selected: string | undefined;
  index: number;
  filter: string;
  /** A chosen state or view of the page; '' is all. */
  only: string;
  marked: Set<string>;
  /** Ids that are unfolded. */
  open: Set<string>;
  /** Rows scrolled off a text at its top. */
  scroll: number;
}

export const newPageUi = (): PageUi => ({
  selected: undefined,
  index: 0,
  filter: '',
  only: '',
  marked: new Set(),
  open: new Set(),
  scroll: 0,
});

/** A page, and of which thing. */
export interface Place {
  readonly page: string;
  readonly id?: string;
}

export const placeKey = ({ page, id }: Place): string => (id === undefined ? page : `${page} ${id}`);
