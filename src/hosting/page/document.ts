import { type Html, html, policyHash, raw } from "./html.ts";
import { STYLE } from "./style.ts";

export interface PageContent {
  readonly title: string;
  readonly body: Html;
  readonly script?: string | undefined;
}

/** By this a page is known as one of ours, which may be written over. */
export const GENERATOR = '<meta name="generator" content="Capstan">';

/** A whole page that needs nothing from anywhere, and may do nothing but what stands in it. */
export function documentOf({ title, body, script }: PageContent): string {
  const scripts = script === undefined ? "" : `; script-src ${policyHash(script)}`;
  const policy = `default-src 'none'; style-src ${policyHash(STYLE)}${scripts}; base-uri 'none'; form-action 'none'`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${raw(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
${raw(GENERATOR)}
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
${body}
${script === undefined ? undefined : html`<script>${raw(script)}</script>`}
</body>
</html>
`;
  return page.text;
}
