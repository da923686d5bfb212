// Bundles src/ into dist/: files named by the hash of their content, and a
// manifest from plain names to those. dist/ is committed, so that building the
// program needs no Node; CI builds it again and compares.
import { build } from "esbuild";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";

const out = "dist";
await rm(out, { recursive: true, force: true });
await mkdir(out);
const result = await build({
  entryPoints: ["src/live.ts", "src/pages.ts", "src/style.css", "src/icon.svg"],
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  outdir: out,
  entryNames: "[name]-[hash]",
  loader: { ".svg": "copy" },
  metafile: true,
  legalComments: "none",
});
const manifest = {};
for (const [file, info] of Object.entries(result.metafile.outputs)) {
  if (!info.entryPoint) continue;
  manifest[basename(info.entryPoint).replace(/\.ts$/, ".js")] = basename(file);
}
const sorted = Object.fromEntries(Object.entries(manifest).sort());
await writeFile(`${out}/manifest.json`, JSON.stringify(sorted, null, 2) + "\n");
