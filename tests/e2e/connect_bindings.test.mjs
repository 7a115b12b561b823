// SPDX-License-Identifier: GPL-3.0-or-later
// The unmodified `chromadb` client on http://127.0.0.1 through `sallyport connect`, a gateway that wants a nonce in every proof, and a real Chroma
// server; with tokens that are bound to a key, to the certificate, and to both; while certificates and tokens come and go.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { ChromaClient } from 'chromadb'
import { after, before, test } from 'node:test'
import { startChroma } from './lib/chroma.mjs'
import { authorityOf, Connect } from './lib/connect.mjs'
import { until } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'

const MODEL = { embeddingFunction: { generate: async texts => texts.map(t => [t.length, t.charCodeAt(0) / 100, 1]) } }
const POLICY = `
@id("app")
permit (principal == Workload::"spiffe://example.org/app", action, resource)
unless { resource has name && resource.name like "hidden-*" };
`
console.warn = () => {}
let w, chroma, authority
const connects = []

before(async () => {
  w = await World.make('connect-bindings', {
    shards: [{ name: 'a', api: 'chroma', endpoints: ['http://127.0.0.1:1'] }], routes: [{ shard: 'a' }], policies: POLICY, change: { dpop: { nonce: 'required' } }
  })
  authority = await authorityOf(w, { change: { authority: { nonce: 'required', lifetime: '10s' } } })
  chroma = await startChroma('a', w.folder)
  w.config.shards[0].endpoints = [chroma.url]
  w.save()
  await authority.start()
  await w.start()
  await until('the keys', async () => (await w.metrics()).sallyport_ready === 1)
})

after(async () => {
  dumpLogs(w?.process, authority?.process, ...connects.map(c => c.process))
  for (const c of connects) await c.stop()
  await w?.stop()
  await authority?.stop()
  await chroma?.stop()
})

async function works(binding) {
  const c = await Connect.start(binding, { who: w.ca.issue('app', { out: `app-${binding}` }), gateways: [w], authority, change: { connect: { binding } } })
  connects.push(c)
  // The header is what somebody left in his code when the database had a key.
  const client = new ChromaClient({ host: '127.0.0.1', port: c.port, headers: { 'x-chroma-token': 'left-over', authorization: 'Bearer left-over' } })
  const name = `docs-${binding}`
  const collection = await client.getOrCreateCollection({ name, ...MODEL })
  await collection.upsert({ ids: ['1', '2'], documents: ['apple', 'pear tree'], metadatas: [{ n: 1 }, { n: 2 }] })
  assert.deepEqual((await collection.query({ queryTexts: ['apple'], nResults: 1 })).ids, [['1']])
  assert.equal(await collection.count(), 2)
  assert.ok((await client.listCollections()).some(l => l.name === name))
  await assert.rejects(client.createCollection({ name: 'hidden-plans', ...MODEL }), /forbidden|permission/i)
  return { c, client, collection }
}

// The record of some answer of this process.
async function recordOf(c) {
  const answer = await c.get('/api/v2/heartbeat')
  assert.equal(answer.status, 200, answer.text)
  return w.record(answer.headers['x-request-id'])
}

test('bound to a key: DPoP, with the nonces that authority and gateway want', async () => {
  const { c } = await works('dpop')
  const record = await recordOf(c)
  assert.match(record.proof_thumbprint, /^[\w-]{43}$/)
  assert.match(JSON.stringify(record), /"bound_to":"dpop"/)
})

test('bound to the certificate', async () => {
  const { c } = await works('certificate')
  const record = await recordOf(c)
  assert.equal(record.proof_thumbprint, undefined)
  assert.match(JSON.stringify(record), /"bound_to":"certificate"/)
})

test('bound to both', async () => {
  authority.config.authority.binding = 'both'
  authority.save()
  assert.equal(await authority.reload(), true)
  w.config.issuers.find(i => i.name === 'authority').binding = 'both'
  w.save()
  assert.equal(await w.reload(), true)
  const { c } = await works('both')
  const record = await recordOf(c)
  assert.match(record.proof_thumbprint, /^[\w-]{43}$/)
  assert.match(JSON.stringify(record), /"bound_to":"both"/)
})

test('certificates and tokens change while it works, and nothing fails', async () => {
  const c = connects.at(-1)
  const client = new ChromaClient({ host: '127.0.0.1', port: c.port })
  const collection = await client.getCollection({ name: 'docs-both', ...MODEL })
  const serials = new Set(), tokens = new Set()
  const seen = w.records().length
  let n = 0
  await until('three certificates and three tokens', async () => {
    assert.deepEqual((await collection.query({ queryTexts: ['apple'], nResults: 1 })).ids, [['1']])
    if (++n % 40 === 0 && serials.size < 3) {
      const next = w.ca.issue('app', { out: 'app-next' })
      fs.copyFileSync(next.cert, c.who.cert) // in two steps, as a careless tool does it
      fs.copyFileSync(next.key, c.who.key)
    }
    for (const r of w.records().slice(seen)) {
      if (r.certificate_serial) serials.add(r.certificate_serial)
      if (r.jti) tokens.add(r.jti)
    }
    return serials.size >= 3 && tokens.size >= 3
  }, 30000)
})
