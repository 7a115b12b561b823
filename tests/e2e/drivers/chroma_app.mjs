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

// Requests without end, whose answers are held against what was written. Each worker has a collection to itself; a write that failed may have
// happened or not, so that both count until the next one to the same record succeeds.
class Load {
  constructor(shards, workers, pause) {
    Object.assign(this, { pause, done: 0, failures: [], wrong: [], latencies: [], written: {} })
    this.running = Promise.all(Array.from({ length: workers }, (_, i) => this.work(`search-load-${process.pid}-${i}-${shards[i % shards.length]}`, shards[i % shards.length])))
  }

  // The vector of a record follows from its number; no two are near each other.
  static vector(i) { return [Math.cos(i), Math.sin(i), Math.cos(i * 1.7), Math.sin(i * 2.3)] }

  async try(shard, what, op) {
    const from = Date.now()
    try {
      return { value: await op() }
    } catch (e) {
      this.failures.push({ shard, what, from, to: Date.now(), error: `${e.name}: ${e.message}`, answers: answers.filter(a => a.at >= from) })
    } finally {
      this.latencies.push(Date.now() - from)
      this.done++
    }
  }

  expect(name, what, allowed, found) { if (!allowed.includes(found)) this.wrong.push({ name, what, allowed, found, at: Date.now() }) }

  async work(name, shard) {
    const records = this.written[name] = new Map() // number → documents that it may have
    let c, round = 0
    while (!this.over) {
      await new Promise(resolve => setTimeout(resolve, this.pause * (0.5 + Math.random())))
      if (!c) {
        c = (await this.try(shard, 'open', () => client.getOrCreateCollection({ name, embeddingFunction: null })))?.value
        continue
      }
      const kind = records.size === 0 ? 0 : round++ % 4
      if (kind === 0) {
        const i = records.size < 200 ? records.size : Math.floor(Math.random() * 200), document = `${name} ${i} ${round}`
        const before = records.get(i) ?? [null]
        records.set(i, [...before, document])
        if (await this.try(shard, 'upsert', () => c.upsert({ ids: [`${i}`], embeddings: [Load.vector(i)], documents: [document] }))) records.set(i, [document])
        continue
      }
      const known = [...records].filter(([, documents]) => !documents.includes(null))
      if (known.length === 0) continue
      const [i, allowed] = known[Math.floor(Math.random() * known.length)]
      if (kind === 1) {
        const got = await this.try(shard, 'get', () => c.get({ ids: [`${i}`], include: ['documents'] }))
        if (got) this.expect(name, `get ${i}`, allowed, got.value.documents[0])
      } else {
        const got = await this.try(shard, 'query', () => c.query({ queryEmbeddings: [Load.vector(i)], nResults: 1, include: ['documents'] }))
        if (got) {
          this.expect(name, `query ${i}`, [`${i}`], got.value.ids[0][0])
          this.expect(name, `query ${i}`, allowed, got.value.documents[0][0])
        }
      }
    }
  }
}

// What came back that was no success, beside what the client says of it.
const answers = []
const real = globalThis.fetch
globalThis.fetch = async (...args) => {
  const response = await real(...args)
  if (!response.ok) answers.push({ at: Date.now(), status: response.status, text: (await response.clone().text()).slice(0, 600) })
  return response
}

let load

const ops = {
  load: (shards, workers, pause) => { load = new Load(shards, workers, pause) },
  progress: () => load.done,
  // { done, failures, wrong, latencies, written: { collection: [[number, documents]] } }
  unload: async () => {
    load.over = true
    await load.running
    const { done, failures, wrong, latencies, written } = load
    return { done, failures, wrong, latencies, written: Object.fromEntries(Object.entries(written).map(([name, records]) => [name, [...records]])) }
  },
  heartbeat: () => client.heartbeat(),
  list: async () => (await client.listCollections()).map(c => c.name).sort(),
  add: async (name, record) => { await (await collection(name)).add(record) },
  query: async (name, queryEmbeddings, nResults) => (await (await collection(name)).query({ queryEmbeddings, nResults, include: ['documents'] })).ids,
  get: async (name, ids) => (await (await collection(name)).get({ ids, include: ['documents'] })).documents,
  documents: async (name, ids) => {
    const { ids: found, documents } = await (await collection(name)).get({ ids, include: ['documents'], limit: 1000 })
    return Object.fromEntries(found.map((id, i) => [id, documents[i]]))
  },
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
