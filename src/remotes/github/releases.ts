import { quoted } from "../../project/text-file.ts";
import type { Context } from "../../support/context.ts";
import { CapstanError, ExitCode } from "../../support/errors.ts";
import { fetchCached, type HttpAnswer } from "../http.ts";
import { parseReleases, type Release } from "./release-json.ts";
import { apiHeaders, type Repository, repositoryUrl } from "./repository.ts";

export interface ReleasesRequest {
  readonly repository: Repository;
  /** "any", "latest" or a tag. */
  readonly releaseTag: string;
  /** Of the remote, for messages. */
  readonly remote: string;
  readonly cacheFolder: string;
  /** Told of what is passed over. */
  readonly skip: (problem: string) => void;
}

/**
 * The releases that a tag asks for, newest first; a page is asked for when the one before it is used up.
 * Errors: those of fetchDocument, `remote-bad-listing`.
 */
export async function* readReleases(request: ReleasesRequest, context: Context): AsyncGenerator<Release> {
  if (request.releaseTag === "any") {
    yield* readPages(request, context);
    return;
  }
  const path = request.releaseTag === "latest" ? ["latest"] : ["tags", request.releaseTag];
  const what = request.releaseTag === "latest" ? "the latest release" : `the release ${quoted(request.releaseTag)}`;
  const { answer, what: asked } = await ask({ ...request, what, path }, context);
  yield* parseReleases(answer.body, asked, request.skip);
}

/** The most that GitHub gives at a time. */
const PAGE_SIZE = 100;

/** GitHub itself gives no more than the newest 10,000 releases. */
const PAGE_LIMIT = 100;

/**
 * Which address is next is not taken from the answer: it could lead anywhere, and that of a mirror leads to GitHub itself.
 * A server that does not know of pages gives the first one again, which ends the loop.
 */
async function* readPages(request: ReleasesRequest, context: Context): AsyncGenerator<Release> {
  const seen = new Set<string>();
  for (let page = 1; page <= PAGE_LIMIT; page++) {
    const query = new URLSearchParams({ per_page: String(PAGE_SIZE) });
    if (page > 1) query.set("page", String(page));
    const { answer, what } = await ask({ ...request, what: "the releases", path: [], query }, context);
    const releases = parseReleases(answer.body, what, request.skip).filter(({ tag }) => !seen.has(tag));
    for (const release of releases) seen.add(release.tag);
    yield* releases;
    if (releases.length === 0 || !hasNext(answer)) return;
  }
}

/** RFC 8288: `<https://…?page=2>; rel="next", <…>; rel="last"`. */
function hasNext({ headers }: HttpAnswer): boolean {
  return /;\s*rel\s*=\s*"?(?:[^",]*\s)?next\b/i.test(headers.link ?? "");
}

interface Question extends ReleasesRequest {
  readonly path: readonly string[];
  readonly query?: URLSearchParams;
  readonly what: string;
}

async function ask(
  question: Question,
  context: Context,
): Promise<{ readonly answer: HttpAnswer; readonly what: string }> {
  const { repository, path, query, cacheFolder } = question;
  const what = `${question.what} of ${repository.name} (remote ${quoted(question.remote)})`;
  const url = repositoryUrl(repository, ["releases", ...path], query);
  try {
    const answer = await fetchCached({ url, headers: apiHeaders(repository), what, cacheFolder }, context);
    return { answer, what };
  } catch (error) {
    throw explainMissing(error, question, what);
  }
}

/** GitHub answers 404 to all that one may not see, too. */
function explainMissing(error: unknown, { repository, releaseTag }: Question, what: string): unknown {
  if (!(error instanceof CapstanError) || error.code !== "remote-not-found") return error;
  const { address } = repository.endpoint;
  const hint =
    repository.token === undefined
      ? "Check the names; set GITHUB_TOKEN when the repository is not public."
      : "Check the names, and whether the token may read the repository.";
  return new CapstanError(`There is nothing at ${address}: ${what}`, {
    code: "remote-not-found",
    hint: releaseTag === "any" ? hint : `${hint} '--release-tag any' takes what is newest in all releases.`,
    exitCode: ExitCode.unavailable,
    cause: error,
  });
}
