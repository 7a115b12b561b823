// SPDX-License-Identifier: GPL-3.0-or-later
// An application in a pod: it knows http://127.0.0.1:PORT and npm's `chromadb`, and does what its parent says.
import http from 'node:http'
import https from 'node:https'
import { ChromaClient } from 'chromadb'

const [port] = process.argv.slice(2)
const client = new ChromaClient({ host: '127.0.0.1', port: Number(port) })
const collections = new Map()
console.warn = () => {}

async function collection(name) {
  if (!collections.has(name)) collections.set(name, await client.getOrCreateCollection({ name, embeddingFunction: null }))
  return collections.get(name)
}

const ops = {
  heartbeat: () => client.heartbeat(),
  list: async () => (await client.listCollections()).map(c => c.name).sort(),
  add: async (name, record) => { await (await collection(name)).add(record) },
  query: async (name, queryEmbeddings, nResults) => (await (await collection(name)).query({ queryEmbeddings, nResults, include: ['documents'] })).ids,
  get: async (name, ids) => (await (await collection(name)).get({ ids, include: ['documents'] })).documents,
  open: async name => { await client.getCollection({ name, embeddingFunction: null }) },
  // To a gateway, as nobody.
  door: (host, at) => new Promise((resolve, reject) => {
    https.get({ host, port: at, path: '/api/v2/heartbeat', rejectUnauthorized: false, agent: false, timeout: 3000 }, r => { r.resume(); resolve(r.statusCode) }).on('error', reject)
  }),
  // Past connect and gateway, to an address.
  direct: (host, at) => new Promise((resolve, reject) => {
    const request = http.get({ host, port: at, path: '/api/v2/heartbeat', timeout: 3000 }, r => { r.resume(); resolve(r.statusCode) })
    request.on('error', reject).on('timeout', () => request.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })))
  })
}

process.on('message', async ({ n, op, args }) => {
  try {
    process.send({ n, value: await ops[op](...args) })
  } catch (e) {
    process.send({ n, error: { name: e.name, message: e.message, code: e.code ?? e.cause?.code, status: e.status } })
  }
})
process.on('disconnect', () => process.exit())
