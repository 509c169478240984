// The page's words in the reader's language: they stand on the chat's element, as data-word-….

const plural = new Intl.PluralRules(document.documentElement.lang);

export const readWords = (root) => {
  const words = {};
  for (const [key, value] of Object.entries(root.dataset)) {
    if (key.startsWith("word")) words[key.slice(4).toLowerCase()] = value;
  }
  return words;
};

export const fill = (sentence, values) =>
  sentence.replace(/\{(\w+)\}/g, (_, name) => values[name].toLocaleString(document.documentElement.lang));

// `name` has two sentences: one for a single thing and one for several.
export const counted = (words, name, n) =>
  fill(words[`${name}_${plural.select(n) === "one" ? "one" : "other"}`], { n });
