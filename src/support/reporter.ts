/** What happens during long work, as data. How it looks is decided in cli/. */
export type ReportEvent =
  /** A stage that users care about: shown unless quiet. */
  | { readonly kind: "step"; readonly text: string }
  /** Detail: shown with --verbose. */
  | { readonly kind: "detail"; readonly text: string }
  /** Something that is probably not what the user wants: always shown. */
  | { readonly kind: "warning"; readonly text: string; readonly hint?: string }
  /** What went wrong, where the result itself tells that it did: always shown. */
  | { readonly kind: "failure"; readonly text: string }
  /** How far a stage is, in units of `unit`; `total` is undefined where it cannot be known. */
  | {
      readonly kind: "progress";
      readonly text: string;
      readonly done: number;
      readonly total: number | undefined;
      readonly unit: "bytes" | "files";
    };

export interface Reporter {
  report(event: ReportEvent): void;
  /** Whether details are shown: lets a caller skip the making of texts that nobody reads. */
  readonly verbose: boolean;
}
