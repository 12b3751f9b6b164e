// Colours of the charts: custom properties in report.css, other ones in the dark.

/** A function that gives the colour of a name, as it is now. */
export function palette() {
  const style = getComputedStyle(document.getElementById("report"));
  return (name) => style.getPropertyValue(`--lb-${name}`).trim();
}

/** The switch between light and dark sets a class of the page's root. */
export function onThemeChange(listener) {
  new MutationObserver(listener).observe(document.documentElement, { attributeFilter: ["class"] });
}
