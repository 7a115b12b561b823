// SPDX-License-Identifier: GPL-3.0-or-later
// kill -9 at any moment: the authority always starts again, and what it acknowledged is true afterwards. No refresh token that a client got is
// lost, none that was replaced works, no revocation is forgotten, and the keys of tokens that were issued are still published.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import https from 'node:https'
import { after, before, test } from 'node:test'
import * as jose from 'jose'
import { port, sanitised, sleep, temporary } from './lib/files.mjs'
import { SCOPES, World } from './lib/gateway.mjs'
import { dumpLogs } from './lib/program.mjs'
import { boundToCertificate, Issuer } from './lib/token.mjs'
import { Upstream } from './lib/upstream.mjs'

const ISSUE = `
@id("readers")
permit (principal == Workload::"spiffe://example.org/retrieval", action in [Action::"token:issue", Action::"token:exchange", Action::"token:impersonate"], resource == Audience::"sallyport");
`
const ROUNDS = sanitised ? 4 : 10
const CHAINS = 4 // clients at once
const RETRY_MS = 10_000 // PKI_GRANT_RETRY_S
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const SCOPE = 'vectors.read offline_access'

let w, shard, people, issuer, authorityPort, retrieval, person

before(async () => {
  const folder = temporary('kill9')
  authorityPort = await port()
  issuer = `https://localhost:${authorityPort}`
  shard = await Upstream.start()
  people = await Issuer.make(`${folder}/people.json`, { iss: 'https://people.example', audience: issuer })
  fs.writeFileSync(`${folder}/issue.cedar`, ISSUE)
  fs.writeFileSync(`${folder}/passphrase`, 'a passphrase of the test\n', { mode: 0o600 })
  fs.mkdirSync(`${folder}/state`, { mode: 0o700 })
  w = await World.make('kill9', { shards: [{ name: 'recorder', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'recorder' }] })
  w.config.issuers.push({
    name: 'people', issuer: people.iss, jwks: people.jwks, uses: ['exchange'], audiences: [issuer], binding: 'certificate',
    workload_match: 'unchecked', asserts: { trust_domains: ['example.org'] }, scopes: { ...SCOPES, offline_access: ['readonly'] }
  })
  Object.assign(w.config, {
    revocations: { store: `${folder}/revocations.db` },
    authority: {
      issuer, addresses: [`127.0.0.1:${authorityPort}`], tls: { certificate: w.server.cert, key: w.server.key }, state: `${folder}/state`,
      signing: { passphrase_file: `${folder}/passphrase` }, audiences: ['sallyport'], policy: { files: [`${folder}/issue.cedar`] }
    }
  })
  w.save()
  retrieval = w.ca.issue('retrieval')
})

after(async () => {
  dumpLogs(w?.process)
  await shard?.stop()
  await w?.stop()
})

// One request on a connection of its own. Rejects when the process went away before the answer was whole.
function ask(path, parameters) {
  const body = parameters && new URLSearchParams({ client_id: retrieval.id, ...parameters }).toString()
  return new Promise((resolve, reject) => {
    const request = https.request(`${issuer}${path}`, {
      method: body ? 'POST' : 'GET', agent: false, ca: w.bundle, cert: retrieval.certPem, key: retrieval.keyPem,
      headers: body ? { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) } : {}
    }, answer => {
      const pieces = []
      answer.on('data', piece => pieces.push(piece)).on('error', reject)
      answer.on('close', () => answer.complete || reject(new Error('the answer was cut')))
      answer.on('end', () => {
        const text = Buffer.concat(pieces).toString()
        resolve({ status: answer.statusCode, text, body: text && /json/.test(answer.headers['content-type'] ?? '') ? JSON.parse(text) : undefined })
      })
    })
    request.on('error', reject).end(body)
  })
}

const begin = () => ask('/oauth2/token', { grant_type: EXCHANGE, subject_token: person, subject_token_type: ACCESS_TOKEN, scope: SCOPE })
const refresh = token => ask('/oauth2/token', { grant_type: 'refresh_token', refresh_token: token })
const revoke = token => ask('/oauth2/revoke', { token })
const introspect = token => ask('/oauth2/introspect', { token })

// A family after another, until the process is gone: begun, refreshed a few times, every third revoked. What was acknowledged is in the
// ledger, and what was asked for without an answer is `pending`.
async function chain(ledger, over) {
  for (let i = 0; !over(); i++) {
    const family = { replaced: [], access: [], pending: undefined }
    try {
      const first = await begin()
      assert.equal(first.status, 200, first.text)
      Object.assign(family, { current: first.body.refresh_token, access: [first.body.access_token] })
      assert.ok(family.current, first.text)
      ledger.push(family)
      for (let k = 0; k < i % 4; k++) {
        family.pending = 'refresh'
        const next = await refresh(family.current)
        assert.equal(next.status, 200, next.text)
        family.replaced.push(family.current)
        Object.assign(family, { current: next.body.refresh_token, pending: undefined })
        family.access.push(next.body.access_token)
      }
      if (i % 3 === 2) {
        family.pending = 'revoke'
        const [token, kind] = i % 2 ? [family.access.at(-1), 'revokedAccess'] : [family.current, 'revoked']
        family.pendingKind = kind
        const done = await revoke(token)
        assert.equal(done.status, 200, done.text)
        Object.assign(family, { [kind]: kind === 'revoked' ? true : token, pending: undefined })
      }
    } catch (error) {
      if (error instanceof assert.AssertionError || !over()) throw error
      return
    }
  }
}

const refused = answer => answer.status === 400 && answer.body?.error === 'invalid_grant'

async function check(ledger, killed) {
  const { body: { keys } } = await ask('/oauth2/jwks')
  const kids = new Set(keys.map(k => k.kid))
  for (const family of ledger) {
    assert.ok(kids.has(jose.decodeProtectedHeader(family.access.at(-1)).kid), 'the key of an issued token is published')
    const answer = await refresh(family.current)
    if (family.revoked) {
      assert.ok(refused(answer), `a revocation was forgotten: ${answer.text}`)
    } else if (family.pending === 'revoke' && family.pendingKind === 'revoked') {
      assert.ok(answer.status === 200 || refused(answer), answer.text)
    } else if (family.pending === 'refresh' && Date.now() - killed > RETRY_MS - 1000) {
      assert.ok(answer.status === 200 || refused(answer), answer.text) // replaced without an answer, and too late for the retry
    } else {
      assert.equal(answer.status, 200, `a refresh token was lost: ${answer.text}`)
      // A revoked access token is not spoken for by its family.
      family.replaced.push(family.current)
      family.current = answer.body.refresh_token
    }
    if (family.revokedAccess) assert.equal((await introspect(family.revokedAccess)).body.active, false, 'a revocation was forgotten')
  }
}

test('what was acknowledged before kill -9 is true after it, and the authority always starts again', { timeout: 240_000 }, async () => {
  person = await people.mint({ workload: 'spiffe://example.org/user-1', cnf: boundToCertificate(retrieval.certPem), scope: SCOPE, ttl: 600 })
  const all = []
  await w.start()
  // A slow machine gets further rounds, and longer ones, until there is something of each kind to be lost.
  const seen = f => all.some(f)
  const enough = () => all.length > ROUNDS && seen(f => f.revoked || f.revokedAccess) && seen(f => !f.revoked && f.replaced.length > 1)
  for (let round = 0; round < ROUNDS || (round < 3 * ROUNDS && !enough()); round++) {
    const ledger = []
    let over = false
    const chains = Promise.all(Array.from({ length: CHAINS }, () => chain(ledger, () => over)))
    chains.catch(() => {}) // it is waited for below
    await sleep(150 + Math.floor(Math.random() * 500 * (1 + Math.floor(round / ROUNDS) * 4)))
    over = true
    w.process.kill('SIGKILL')
    const killed = Date.now()
    await chains
    assert.equal((await w.process.ended).signal, 'SIGKILL')
    await w.start()
    await check(ledger, killed)
    all.push(...ledger)
  }
  assert.ok(all.length > ROUNDS, `${all.length} families`)
  assert.ok(all.some(f => f.revoked) || all.some(f => f.revokedAccess), 'some were revoked')
  // One that was replaced twice over is no good, and ends its family; after all kills.
  const old = all.filter(f => !f.revoked && f.replaced.length > 1).slice(0, 40)
  assert.ok(old.length > 0)
  for (const family of old) {
    assert.ok(refused(await refresh(family.replaced[0])), 'a replaced token was accepted')
    assert.ok(refused(await refresh(family.current)), 'its family goes on')
  }
})
