// Drives `opencode serve` with OpenCode's own SDK: one session, one prompt; prints what came as JSON.
// Arguments: the server's URL, the project's folder, the prompt, a file to read afterwards.
import { createOpencodeClient } from "@opencode-ai/sdk"

const [baseUrl, directory, text, path] = process.argv.slice(2)
const client = createOpencodeClient({ baseUrl, directory, throwOnError: true })

const stop = new AbortController()
const { stream } = await client.event.subscribe({ signal: stop.signal })
const events = []
let connected, idle
const isConnected = new Promise((resolve) => (connected = resolve))
const isIdle = new Promise((resolve) => (idle = resolve))
const listening = (async () => {
  for await (const event of stream) {
    events.push(event)
    if (event.type === "server.connected") connected()
    if (event.type === "session.idle") idle()
  }
})().catch((error) => {
  if (!stop.signal.aborted) throw error
})

await isConnected
const session = (await client.session.create({ body: { title: "a test" } })).data
const answer = (
  await client.session.prompt({ path: { id: session.id }, body: { parts: [{ type: "text", text }] } })
).data
await isIdle
stop.abort()
await listening
const messages = (await client.session.messages({ path: { id: session.id } })).data
const file = (await client.file.read({ query: { path } })).data
console.log(JSON.stringify({ session, answer, events, messages, file }))
