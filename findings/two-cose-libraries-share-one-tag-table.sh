#!/bin/sh
# Two COSE libraries in one process: the one that was imported first no longer reads what it wrote itself.
#
# With:     @auth0/cose 1.0.2 and cose-kit 1.7.1, which both decode by cbor-x 1.6.9; Node 20 or later. Seen 2026-11-28.
# What:     npm gives both the same copy of cbor-x, whose addExtension() writes into one table for the whole process. Each
#           registers tag 18 (COSE_Sign1) there when it is imported; the later one gets the objects of both. The earlier one
#           then says of its own output "Unexpected CBOR tag ... got undefined", or "unknown COSE type". Swapping two import
#           lines, which linters sort, changes which of the two is broken.
# Surprise: an import in one package is not expected to change what a function of another returns, and each library passes
#           all its tests alone.
# Paddock:  reads COSE and CBOR itself (wire/cose-mac.ts, wire/cose-sign.ts, wire/cbor-read.ts); cbor-x is the
#           second opinion of its tests, through Decoder objects. docs/sensors.md, "Libraries that meet", warns bridges.
# Exit:     0 as recorded, 1 something changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM
cd "$work"
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts --prefix . \
  @auth0/cose@1.0.2 cose-kit@1.7.1 cbor-x@1.6.9 jose@4.15.9 >npm.log 2>&1 || { cat npm.log; exit 2; }

cat >probe.mjs <<'JS'
import { generateKeyPair } from "jose";

const order = process.argv.slice(2);
const loaded = {};
for (const name of order) loaded[name] = await import(name);
const { publicKey, privateKey } = await generateKeyPair("ES256");
const reading = Buffer.from("81a20061740205", "hex");

const own = {
  "@auth0/cose": async ({ Sign1, ProtectedHeaders, UnprotectedHeaders, Headers, Algorithms }) => {
    const headers = new ProtectedHeaders([[Headers.Algorithm, Algorithms.ES256]]);
    const signed = await Sign1.sign(headers, new UnprotectedHeaders([]), reading, privateKey);
    await Sign1.decode(signed.encode()).verify(publicKey);
  },
  "cose-kit": async ({ coseSign, coseVerify }) => {
    const signed = await coseSign({ alg: "ES256" }, { ctyp: 0 }, reading, privateKey);
    const { isValid } = await coseVerify(signed, publicKey);
    if (!isValid) throw new Error("not valid");
  },
};
for (const name of Object.keys(own).filter((each) => order.includes(each))) {
  const outcome = await own[name](loaded[name]).then(
    () => "reads its own",
    (error) => error.message,
  );
  console.log(`imported ${order.join(", then ")}: ${name}: ${outcome}`);
}
JS
: >seen
for order in "@auth0/cose" "cose-kit" "@auth0/cose cose-kit" "cose-kit @auth0/cose"; do
  # shellcheck disable=SC2086 # two words
  timeout 60 node probe.mjs $order >>seen 2>&1 || echo "exit $?" >>seen
done

cat >recorded <<'TEXT'
imported @auth0/cose: @auth0/cose: reads its own
imported cose-kit: cose-kit: reads its own
imported @auth0/cose, then cose-kit: @auth0/cose: Unexpected CBOR tag. Expected tag 18 (Sign1) but got undefined
imported @auth0/cose, then cose-kit: cose-kit: reads its own
imported cose-kit, then @auth0/cose: @auth0/cose: reads its own
imported cose-kit, then @auth0/cose: cose-kit: unknown COSE type
TEXT
diff recorded seen || { echo "CHANGED: < recorded, > seen now"; exit 1; }
cat seen
echo "As recorded."
