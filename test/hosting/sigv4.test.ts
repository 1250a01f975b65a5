import { expect, test } from "vitest";
import { encodePath, signRequest } from "../../src/hosting/publish/sigv4.ts";

/** The examples of "Signature Calculations for the Authorization Header" in the Amazon S3 API Reference. */
const CREDENTIALS = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  sessionToken: undefined,
};
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

test.each([
  [
    "GET",
    "/test.txt",
    { range: "bytes=0-9" },
    EMPTY,
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  ],
  [
    "PUT",
    "/test%24file.text",
    { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  ],
  ["GET", "/?lifecycle", {}, EMPTY, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"],
  ["GET", "/?max-keys=2&prefix=J", {}, EMPTY, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"],
])("%s %s is signed as Amazon's example", (method, path, headers, payloadSha256, signature) => {
  const signed = signRequest(
    {
      method,
      url: new URL(`https://examplebucket.s3.amazonaws.com${path}`),
      headers: headers as unknown as Record<string, string>,
      payloadSha256,
      region: "us-east-1",
      time: new Date("2013-05-24T00:00:00Z"),
    },
    CREDENTIALS,
  );
  expect(signed.authorization).toMatch(new RegExp(`Signature=${signature}$`));
  expect(signed["x-amz-date"]).toBe("20130524T000000Z");
});

test("a path is encoded byte by byte, and its address stays as it is", () => {
  const path = encodePath("a b/c+d@1~_-.é!'()*$&=:%");
  expect(path).toBe("a%20b/c%2Bd%401~_-.%C3%A9%21%27%28%29%2A%24%26%3D%3A%25");
  expect(new URL(`https://x/${path}`).pathname).toBe(`/${path}`);
});
