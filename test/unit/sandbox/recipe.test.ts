import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bases, debianMirror, folderName } from "../../../sandbox/recipe.ts";

describe("the mirror that a base tree is built from", () => {
  it("is this machine's own Debian mirror, not its security archive or another vendor's", () => {
    const targets = [
      "https://vendor.example/apt stable main Vendor",
      "https://vendor.example/linux/debian/ bookworm stable Vendor",
      "http://mirror.example/debian-security/ bookworm-security main Debian",
      "http://mirror.example/debian/ bookworm main Debian",
    ];
    assert.equal(debianMirror(targets.join("\n")), "http://mirror.example/debian/");
  });

  it("is known before the first apt-get update, when apt cannot tell origins yet", () => {
    assert.equal(
      debianMirror("http://mirror.example/debian/ trixie main $(ORIGIN)"),
      "http://mirror.example/debian/",
    );
  });

  it("is none where there is no Debian", () => {
    assert.equal(debianMirror("https://vendor.example/ubuntu/ noble main Ubuntu\n"), undefined);
  });
});

describe("the cache folder of a base tree", () => {
  it("is one of its own for each base", () => {
    assert.equal(new Set(bases.map(folderName)).size, bases.length);
    assert.match(folderName("debian12"), /^debian12-[0-9a-f]{12}$/);
  });
});
