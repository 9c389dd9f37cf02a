import prettier from 'eslint-config-prettier'
import svelte from 'eslint-plugin-svelte'
import globals from 'globals'
import ts from 'typescript-eslint'

const onlyBackendKnowsTauri = {
  'no-restricted-imports': [
    'error',
    { patterns: [{ group: ['@tauri-apps/*'], message: 'Only src/lib/backend/ speaks to the shell.' }] },
  ],
}

export default ts.config(
  { ignores: ['dist', 'src/lib/backend/types'] },
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  prettier,
  ...svelte.configs.prettier,
  { languageOptions: { globals: globals.browser }, rules: onlyBackendKnowsTauri },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser } },
    rules: { 'prefer-const': 'off' },
  },
  { files: ['src/lib/backend/**'], rules: { 'no-restricted-imports': 'off' } },
)
