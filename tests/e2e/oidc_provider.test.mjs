// SPDX-License-Identifier: GPL-3.0-or-later
// An identity provider that we did not write, npm's `oidc-provider` in two major versions, issues what opens the second gate: JWTs bound by DPoP
// and by certificate, opaque tokens that it is asked about, and signing keys that rotate while requests run.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { nothingReaches, refused } from './lib/expect.mjs'
import { until } from './lib/files.mjs'
import { Client } from './lib/client.mjs'
import { SCOPES, World } from './lib/gateway.mjs'
import { IdentityProvider, RESOURCES, VERSIONS } from './lib/oidc.mjs'
import { dumpLogs } from './lib/program.mjs'
import { newProofKey } from './lib/token.mjs'
import { Upstream } from './lib/upstream.mjs'

const SEARCH = '/collections/docs/points/search'
const QUERY = { vector: [0.1, 0.2], limit: 3 }
const SECRET = 'a secret of the test, with : and %'
const node = parseInt(process.versions.node)

for (const version of VERSIONS) {
  const skip = version === '9' && node < 20 && 'oidc-provider 9 needs node 20'
  // Each by itself, since node does not count the tests of a suite that is skipped.
  const check = (name, run) => test(name, { skip }, run)
  describe(`oidc-provider ${version}`, () => {
    let w, shard, provider, retrieval, mtls

    before(async () => {
      if (skip) return
      shard = await Upstream.start()
      w = await World.make(`oidc-${version}`, { shards: [{ name: 'recorder', api: 'qdrant', endpoints: [shard.url] }], routes: [{ shard: 'recorder' }] })
      retrieval = w.ca.issue('retrieval')
      mtls = w.ca.issue('mtls')
      provider = await IdentityProvider.start(version, {
        server: w.ca.issue('provider', { dns: ['localhost'] }), ca: w.bundle,
        clients: [
          { client_id: retrieval.id, client_secret: SECRET, token_endpoint_auth_method: 'client_secret_basic', dpop_bound_access_tokens: true },
          { client_id: mtls.id, token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_uri: mtls.id, tls_client_certificate_bound_access_tokens: true },
          { client_id: w.ca.id('gateway'), token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_uri: w.ca.id('gateway') }
        ]
      })
      const tls = { ca: w.ca.bundle, certificate: w.server.cert, key: w.server.key }
      w.config.issuers = [{
        name: 'provider', issuer: provider.issuer, discovery: true, fetch: { tls }, audiences: ['sallyport'], binding: 'either',
        claims: { workload: 'client_id' }, scopes: SCOPES, asserts: { trust_domains: ['example.org'] },
        introspection: { url: `${provider.issuer}/token/introspection`, client_id: w.ca.id('gateway'), tls, cache: '1s', refusals: '1s' }
      }]
      w.save()
      await w.start()
      await until('the keys', async () => (await w.metrics())['sallyport_ready'] === 1)
    })

    after(async () => {
      dumpLogs(w?.process)
      await w?.stop()
      await Promise.all([shard?.stop(), provider?.stop()])
    })

    const search = async (who, token, keys) => {
      const client = new Client(w, who, { token, keys, scheme: keys ? 'DPoP' : 'Bearer' })
      return client.post(SEARCH, QUERY).finally(() => client.close())
    }

    check('client credentials with DPoP and a demanded nonce', async () => {
      const keys = await newProofKey()
      const token = await provider.token({ id: retrieval.id, secret: SECRET, keys })
      const answer = await search(retrieval, token, keys)
      assert.equal(answer.status, 200, answer.text)
      refused(await nothingReaches(shard, async () => search(retrieval, token, await newProofKey())), { status: 401, code: 'token_not_yours', challenge: /DPoP/ })
      refused(await nothingReaches(shard, async () => search(mtls, token, keys)), { status: 401, code: 'token_not_yours', challenge: /DPoP/ })
    })

    check('tls_client_auth by SAN URI: the token is bound to the certificate', async () => {
      const token = await provider.token({ id: mtls.id, who: mtls })
      assert.equal((await search(mtls, token)).status, 200)
      refused(await nothingReaches(shard, () => search(retrieval, token)), { status: 401, code: 'token_not_yours', challenge: /DPoP/ })
    })

    check('rule 17: opaque tokens are introspected and held to their binding', async () => {
      const bound = await provider.token({ id: mtls.id, who: mtls, resource: RESOURCES.opaque })
      assert.ok(!bound.includes('.'))
      assert.equal((await search(mtls, bound)).status, 200)
      refused(await nothingReaches(shard, () => search(retrieval, bound)), { status: 401, code: 'token_not_yours', challenge: /DPoP/ })
      const keys = await newProofKey()
      const proven = await provider.token({ id: retrieval.id, secret: SECRET, keys, resource: RESOURCES.opaque })
      assert.equal((await search(retrieval, proven, keys)).status, 200)
      refused(await nothingReaches(shard, () => search(retrieval, proven)), { status: 401, code: 'token_scheme', challenge: /DPoP/ })
      const asked = provider.count('/token/introspection')
      for (let i = 0; i < 5; i++) assert.equal((await search(retrieval, proven, keys)).status, 200)
      assert.ok(provider.count('/token/introspection') - asked <= 3, 'answers are remembered')
    })

    check('an opaque token that is revoked there is refused here when the remembered answer is over', async () => {
      const token = await provider.token({ id: mtls.id, who: mtls, resource: RESOURCES.opaque })
      assert.equal((await search(mtls, token)).status, 200)
      await provider.revoke(token, { id: mtls.id, who: mtls })
      // Each loop remembers the answer on its own, for a second.
      const everywhere = async () => (await Promise.all(Array.from({ length: 8 }, () => search(mtls, token)))).every(answer => answer.status === 401)
      await until('the refusal', everywhere, 5000)
      await new Promise(resolve => setTimeout(resolve, 1100))
      refused(await nothingReaches(shard, () => search(mtls, token)), { status: 401, code: 'token_inactive', challenge: /DPoP/ })
    })

    check('the signing key rotates while requests run, and none of them fails', async () => {
      const keys = await newProofKey()
      const statuses = []
      let token = await provider.token({ id: retrieval.id, secret: SECRET, keys })
      let over = false
      const runner = (async () => { while (!over) statuses.push((await search(retrieval, token, keys)).status) })()
      await provider.rotate()
      // Of a kid that the gateway has not heard of yet: it asks for the keys while the request waits.
      token = await provider.token({ id: retrieval.id, secret: SECRET, keys })
      const first = await search(retrieval, token, keys)
      assert.equal(first.status, 200, first.text)
      await new Promise(resolve => setTimeout(resolve, 300))
      over = true
      await runner
      assert.ok(statuses.length > 5)
      assert.deepEqual([...new Set(statuses)], [200])
    })

    check('a key that the provider withdrew is good for nothing any more', async () => {
      const keys = await newProofKey()
      const old = await provider.token({ id: retrieval.id, secret: SECRET, keys })
      assert.equal((await search(retrieval, old, keys)).status, 200)
      await provider.rotate({ overlap: false })
      const fresh = await provider.token({ id: retrieval.id, secret: SECRET, keys })
      await until('the new keys', async () => (await search(retrieval, fresh, keys)).status === 200, 20000)
      assert.equal((await nothingReaches(shard, () => search(retrieval, old, keys))).status, 401)
    })
  })
}
