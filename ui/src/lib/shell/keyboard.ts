/** Whether what is typed goes into a field. */
export function isTyping(): boolean {
  const at = document.activeElement
  return at instanceof HTMLElement && (at.matches('input, textarea, select') || at.isContentEditable)
}
