/** What the samples have in place of a key; Rust puts the key there. */
export const PLACEHOLDER = 'YOUR_API_KEY'
