import { PLACEHOLDER } from '../../lib/parts/placeholder'

/** What each application sends. The key is read from a variable: it belongs into no history. */
export interface SnippetChoice {
  id: string
  language: string
  code: string
}

const PATH = '/api/amas/conversations/execute'

/** Ready-made calls with the real address of the gateway. `withKey`: to be run as they are, with the key in them. */
export function snippets(url: string, agent: string, withKey = false): SnippetChoice[] {
  const endpoint = url + PATH
  const python = withKey ? `"Bearer ${PLACEHOLDER}"` : `f"Bearer {os.environ['ATTHENE_API_KEY']}"`
  const javascript = withKey ? `"Bearer ${PLACEHOLDER}"` : '`Bearer ${process.env.ATTHENE_API_KEY}`'
  return [
    {
      id: 'curl',
      language: 'curl',
      code: `ATTHENE_API_KEY='${PLACEHOLDER}'
curl ${endpoint} \\
  -H "Authorization: Bearer $ATTHENE_API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{"agent_id": "${agent}", "message": "Hello!"}'`,
    },
    {
      id: 'python',
      language: 'Python',
      code: `${withKey ? 'import requests' : 'import os, requests'}

answer = requests.post(
    "${endpoint}",
    headers={"Authorization": ${python}},
    json={"agent_id": "${agent}", "message": "Hello!"},
)
answer.raise_for_status()
print(answer.json())`,
    },
    {
      id: 'javascript',
      language: 'JavaScript',
      code: `const answer = await fetch("${endpoint}", {
  method: "POST",
  headers: {
    Authorization: ${javascript},
    "Content-Type": "application/json",
  },
  body: JSON.stringify({ agent_id: "${agent}", message: "Hello!" }),
});
console.log(await answer.json());`,
    },
    {
      id: 'powershell',
      language: 'PowerShell',
      code: `$env:ATTHENE_API_KEY = '${PLACEHOLDER}'
Invoke-RestMethod -Method Post -Uri '${endpoint}' \`
  -Headers @{ Authorization = "Bearer $env:ATTHENE_API_KEY" } \`
  -ContentType 'application/json' \`
  -Body '{"agent_id": "${agent}", "message": "Hello!"}'`,
    },
    { id: 'env', language: '.env', code: `ATTHENE_API_KEY=${PLACEHOLDER}` },
  ]
}
