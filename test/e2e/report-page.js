/** What report.test.ts asks a page, in the page: nothing here is of the program, and TypeScript knows no DOM. */
globalThis.asked = {
  /** Elements that reach beyond the window: they would be found by scrolling, or be cut by what they are in. */
  wide: () =>
    [...document.querySelectorAll("body *")]
      .filter((element) => !element.closest("svg") && !element.closest("thead"))
      .filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
      .map((element) => `${element.tagName} ${element.textContent?.slice(0, 40)}`),

  width: () => document.documentElement.scrollWidth,

  ground: () => getComputedStyle(document.documentElement).backgroundColor,

  articles: () =>
    [...document.querySelectorAll("article")].map((article) => ({
      name: article.querySelector("h2")?.textContent?.trim().replace(/\s+/g, " "),
      days: article.querySelectorAll(".calendar rect").length,
      paths: article.querySelectorAll(".chart svg path").length,
      checks: article.querySelectorAll(".plain tbody tr").length,
    })),

  strokes: () =>
    [...document.querySelectorAll(".chart svg path")].map((path) => getComputedStyle(path).stroke),

  said: () => ({
    title: document.title,
    scripts: document.scripts.length,
    images: document.images.length,
    text: document.body.innerText,
  }),

  /** How far each text stands out from what is behind it (WCAG 2, contrast ratio). */
  contrasts: () =>
    [...document.querySelectorAll("body *")]
      .filter((element) => !element.closest("svg"))
      .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.nodeValue.trim()))
      .map((element) => {
        const lights = [luminance(getComputedStyle(element).color), luminance(behind(element))];
        const [darker, lighter] = lights.sort((a, b) => a - b);
        return {
          text: `${element.className} ${element.textContent.trim().slice(0, 30)}`,
          ratio: Math.round(((lighter + 0.05) / (darker + 0.05)) * 100) / 100,
        };
      }),
};

const numbers = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);

function luminance(colour) {
  const [red, green, blue] = numbers(colour).map((part) => {
    const share = part / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function behind(element) {
  if (!element) return "rgb(255, 255, 255)";
  const { backgroundColor } = getComputedStyle(element);
  return numbers(backgroundColor)[3] === 0 ? behind(element.parentElement) : backgroundColor;
}
