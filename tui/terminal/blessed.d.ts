// The parts of blessed and blessed-contrib that have no types of their own.
declare module 'blessed/lib/unicode.js' {
  const unicode: { strWidth(text: string): number };
  export default unicode;
}
declare module 'blessed-contrib/lib/widget/charts/line.js' {
  const line: (options: Record<string, unknown>) => unknown;
  export default line;
}
