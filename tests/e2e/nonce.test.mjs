// SPDX-License-Identifier: GPL-3.0-or-later
// Adaptive nonces in the real process: one loop sees the suspicious proof, both demand, and a reload does not make them forget.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { nothingReaches, refused } from './lib/expect.mjs'
import { sleep } from './lib/files.mjs'
import { World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { forge, prove } from './lib/token.mjs'
import { Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
const CONNECTIONS = 12 // enough for both loops to get some: the odds of one loop taking all are 1 in 2048
let w, shard

before(async () => {
  shard = await Upstream.start()
  w = await World.make('nonce', {
    shards: [{ name: 'one', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'one' }], change: { dpop: { nonce: 'adaptive' } }
  })
  await w.start()
})

after(async () => {
  dumpLogs(w?.process)
  await w?.stop()
  await shard?.stop()
})

const ask = (client, proof, more = {}) => client.get(DOCS, { headers: { dpop: proof }, agent: false, ...more })
const proofOf = (client, more = {}) => prove(client.keys, { url: client.origin + DOCS, method: 'GET', token: client.token, ...more })
const forged = (client, claims) => forge(client.keys, { url: client.origin + DOCS, method: 'GET', token: client.token, claims })

async function demanded(client) {
  const answer = await nothingReaches(shard, async () => ask(client, await proofOf(client)))
  refused(answer, { status: 401, code: 'proof_nonce', challenge: /error="use_dpop_nonce"/ })
  return answer.headers['dpop-nonce']
}

test('rule 10: after a replayed proof a nonce is demanded of its workload on every loop, through a reload, and of nobody else', async () => {
  const victim = await w.workload('victim')
  const others = [await w.workload('one'), await w.workload('two')] // both in the victim's slot of 4096: hardly
  const proof = await proofOf(victim)
  const first = await ask(victim, proof)
  assert.equal(first.status, 200, first.text)
  assert.equal(first.headers['dpop-nonce'], undefined)
  const replay = await nothingReaches(shard, () => ask(victim, proof))
  refused(replay, { status: 401, code: 'proof_replayed', challenge: /error="invalid_dpop_proof"/ })
  const nonce = replay.headers['dpop-nonce']
  assert.ok(nonce?.length > 16)
  for (let i = 0; i < CONNECTIONS; i++) assert.ok(await demanded(victim))
  for (let i = 0; i < CONNECTIONS; i++) assert.equal((await ask(victim, await proofOf(victim, { nonce }))).status, 200)
  const answers = await Promise.all(others.map(async o => (await ask(o, await proofOf(o))).status))
  assert.ok(answers.includes(200), `${answers}`)
  w.config.log.level = 'info'
  w.save()
  assert.ok(await w.reload())
  for (let i = 0; i < CONNECTIONS; i++) assert.ok(await demanded(victim))
  assert.equal((await ask(victim, await proofOf(victim, { nonce }))).status, 200)
})

test('rule 11: a client whose clock is wrong is told the nonce first, and of its clock with the nonce', async () => {
  const late = await w.workload('late')
  const iat = Math.floor(Date.now() / 1000) - 3600
  const first = await nothingReaches(shard, async () => ask(late, await forged(late, { iat })))
  refused(first, { status: 401, code: 'proof_nonce', challenge: /error="use_dpop_nonce"/ })
  const nonce = first.headers['dpop-nonce']
  refused(await nothingReaches(shard, async () => ask(late, await forged(late, { iat, nonce }))),
    { status: 401, code: 'proof_stale', challenge: /error="invalid_dpop_proof"/ })
  assert.equal((await ask(late, await forged(late, { nonce }))).status, 200)
})

test('a demand ends by itself', async () => {
  w.config.dpop.nonce_adaptive = '2s'
  w.save()
  assert.ok(await w.reload())
  const guesser = await w.workload('guesser')
  const guess = await nothingReaches(shard, async () => ask(guesser, await proofOf(guesser, { nonce: 'A'.repeat(31) })))
  refused(guess, { status: 401, code: 'proof_nonce', challenge: /error="use_dpop_nonce"/ })
  const from = Date.now()
  assert.ok(await demanded(guesser))
  await sleep(2100 - (Date.now() - from))
  assert.equal((await ask(guesser, await proofOf(guesser))).status, 200)
  assert.equal((await ask(guesser, await proofOf(guesser, { nonce: guess.headers['dpop-nonce'] }))).status, 200, 'who goes on with it does no wrong')
})
