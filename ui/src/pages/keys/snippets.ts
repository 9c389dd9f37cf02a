/** What each application sends. The key is read from a variable: it belongs into no history. */
export interface SnippetChoice {
  id: string
  language: string
  code: string
}

const PATH = '/api/amas/conversations/execute'

/** Ready-made calls with the real address of the gateway. */
export function snippets(url: string, agent: string): SnippetChoice[] {
  const endpoint = url + PATH
  return [
    {
      id: 'curl',
      language: 'curl',
      code: `ATTHENE_API_KEY='YOUR_API_KEY'
curl ${endpoint} \\
  -H "Authorization: Bearer $ATTHENE_API_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{"agent_id": "${agent}", "message": "Hello!"}'`,
    },
    {
      id: 'python',
      language: 'Python',
      code: `import os, requests

answer = requests.post(
    "${endpoint}",
    headers={"Authorization": f"Bearer {os.environ['ATTHENE_API_KEY']}"},
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
    Authorization: \`Bearer \${process.env.ATTHENE_API_KEY}\`,
    "Content-Type": "application/json",
  },
  body: JSON.stringify({ agent_id: "${agent}", message: "Hello!" }),
});
console.log(await answer.json());`,
    },
    {
      id: 'powershell',
      language: 'PowerShell',
      code: `$env:ATTHENE_API_KEY = 'YOUR_API_KEY'
Invoke-RestMethod -Method Post -Uri '${endpoint}' \`
  -Headers @{ Authorization = "Bearer $env:ATTHENE_API_KEY" } \`
  -ContentType 'application/json' \`
  -Body '{"agent_id": "${agent}", "message": "Hello!"}'`,
    },
    { id: 'env', language: '.env', code: 'ATTHENE_API_KEY=YOUR_API_KEY' },
  ]
}
