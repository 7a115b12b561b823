// SPDX-License-Identifier: GPL-3.0-or-later
// What stands between an unmodified client and the gateway: plain HTTP on loopback in, mutual TLS with token and a fresh proof
// for each request out.
import http from 'node:http'

// Of one hop, or the client's own credential, which the agent's takes the place of.
const HOP = new Set(['host', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'expect', 'authorization'])

// `client` is a Client (lib/client.mjs). Resolves to { port, url, stop }.
export async function startAgent(client) {
  const server = http.createServer((request, response) => {
    const pieces = []
    request.on('data', piece => pieces.push(piece)).on('end', async () => {
      try {
        const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !HOP.has(name)))
        const answer = await client.request(request.method, request.url, { headers, body: pieces.length ? Buffer.concat(pieces) : undefined })
        const passed = Object.entries(answer.headers).filter(([name]) => !HOP.has(name))
        response.writeHead(answer.status, Object.fromEntries([...passed, ['content-length', answer.bytes.length]]))
        response.end(request.method === 'HEAD' ? undefined : answer.bytes)
      } catch (error) {
        response.writeHead(599, { 'content-type': 'text/plain' })
        response.end(`${error.stack}`)
      }
    })
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const port = server.address().port
  return { port, url: `http://127.0.0.1:${port}`, stop: () => new Promise(resolve => { server.close(resolve); server.closeAllConnections() }) }
}
