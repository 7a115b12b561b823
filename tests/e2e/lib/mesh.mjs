// SPDX-License-Identifier: GPL-3.0-or-later
// A cluster of two nodes without Kubernetes: what the chart makes of its values, laid out and run as the kubelet would, in the network of netns.mjs. Real are
// the programs, the configuration, TLS, the databases; played are the API server (kubernetes.mjs) and whoever starts pods.
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { parse } from 'yaml'
import { Authority } from './ca.mjs'
import { ofNpm } from './chroma.mjs'
import { repository, sallyport, temporary, until } from './files.mjs'
import { merge, yaml } from './gateway.mjs'
import { find, mount, project, render, rooted } from './helm.mjs'
import { Cluster } from './kubernetes.mjs'
import { Network } from './netns.mjs'
import { must } from './program.mjs'

const GATEWAY = 'sallyport-gateway', AUTHORITY = 'sallyport-authority'
const HOST = `${AUTHORITY}.sallyport.svc`
export const PORT = 8000

// Who the chart's containers are.
const USER = 65532
const AS_CONTAINER = ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs']

// Two teams: each has the collections that begin with its name. Collections that end in -a are on shard a, the others on b.
// Teams: each has the collections that begin with its name. Collections that end in -a are on shard a, the others on b.
const team = name => `@id("${name}")
permit (principal is Workload, action, resource)
when { principal.path like "/ns/${name}/*" } unless { resource is Collection && !(resource.name like "${name}-*") };
`
const enrols = name => `@id("${name}-pods-enrol")
permit (principal in KubernetesNamespace::"kubernetes/${name}", action == Action::"svid:issue", resource) when { context.derived };
@id("${name}-tokens")
permit (principal is Workload, action == Action::"token:issue", resource == Audience::"sallyport") when { principal.path like "/ns/${name}/*" };
`
const TEAMS = ['search', 'billing']

const VALUES = {
  image: { repository: 'registry.example/sallyport' },
  trustDomain: 'example.org',
  trustBundle: { existingConfigMap: 'trust' },
  gateway: {
    hostPort: { enabled: true },
    policies: { 'teams.cedar': TEAMS.map(team).join('') },
    authorityIssuer: { scopes: { vectors: ['readwrite', 'admin'] } },
    config: {
      shards: ['a', 'b'].map(name => ({ name, api: 'chroma', endpoints: [`http://chroma-${name}.vectors.svc:${PORT}`], health: { healthy: 1 } })),
      routes: [{ collection: '*-a', shard: 'a' }, { shard: 'b' }],
      loops: 2
    }
  },
  authority: {
    passphraseSecret: 'passphrases',
    policies: { 'issue.cedar': TEAMS.map(enrols).join('') },
    enrolment: { enabled: true, namespaces: TEAMS }
  },
  networkPolicy: { shards: [{ name: 'chroma', namespace: 'vectors', podSelector: { matchLabels: { app: 'chroma' } }, ports: [PORT] }] }
}

// A GET to a pod, from this machine.
export function ask(pod, port, target, { timeout = 3000 } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: pod.address, port, path: target, agent: false, timeout }, answer => {
      const pieces = []
      answer.on('data', p => pieces.push(p)).on('error', reject).on('end', () => resolve({ status: answer.statusCode, text: Buffer.concat(pieces).toString() }))
    }).on('error', reject).on('timeout', () => request.destroy(new Error('timeout')))
  })
}

const answers = (pod, port, target) => ask(pod, port, target).then(a => a.status === 200, () => false)

export class Mesh {
  // `values` over the chart's values here; `connect` over every pod's configuration.
  static async make(name, { values, connect } = {}) {
    const m = new Mesh()
    m.folder = temporary(name)
    m.at = (...parts) => path.join(m.folder, ...parts)
    fs.chmodSync(m.folder, 0o755)
    m.program = m.at('sallyport') // where the containers' user may read it
    fs.copyFileSync(sallyport, m.program)
    m.network = Network.make(['a', 'b'])
    Object.assign(m, { connect, processes: [], gateways: {}, shards: {}, apps: {} })
    const machine = new Authority(m.folder, 'cluster.local')
    m.api = await Cluster.start(machine.issue('apiserver', { dns: ['kubernetes.default.svc'] }), { host: m.network.own, port: 443, name: 'kubernetes.default.svc' })
    m.api.bearer = 'a.b.c' // as mount projects it
    m.secrets = { passphrases: { ca: 'the passphrase of the CA\n', signing: 'the passphrase of tokens\n' }, 'kube-root-ca.crt': { 'ca.crt': machine.bundlePem } }
    m.documents = render(m.folder, merge(VALUES, values))
    const labels = (kind, of) => find(m.documents, kind, of).spec.template.metadata.labels
    const net = m.network
    m.authority = net.pod('authority', 'b', { namespace: 'sallyport', labels: labels('StatefulSet', AUTHORITY) })
    for (const node of ['a', 'b']) {
      m.gateways[node] = net.pod(`gateway-${node}`, node, { namespace: 'sallyport', labels: labels('DaemonSet', GATEWAY) })
      m.shards[node] = net.pod(`chroma-${node}`, node, { namespace: 'vectors', labels: { app: 'chroma' } })
      net.publish(m.gateways[node], 8443)
    }
    // One workload on both nodes, and one of another team.
    m.apps.a = m.app('search-a', 'a', { namespace: 'search' })
    m.apps.b = m.app('search-b', 'b', { namespace: 'search' })
    m.apps.billing = m.app('billing', 'a')
    net.resolve({
      [HOST]: m.authority.address, 'kubernetes.default.svc': net.own,
      'chroma-a.vectors.svc': m.shards.a.address, 'chroma-b.vectors.svc': m.shards.b.address
    })
    net.enforce(m.documents)
    return m
  }

  // A pod of a team, which has connect and an application.
  app(name, node, { namespace = name, account = 'app' } = {}) {
    return Object.assign(this.network.pod(name, node, { namespace, labels: { app: name } }), { account, id: `spiffe://example.org/ns/${namespace}/sa/${account}` })
  }

  track(pod, process) {
    pod.process = process
    this.processes.push(process)
    return process
  }

  // Until `probe`, unless the process of the pod ends first.
  up(pod, what, probe, ms = 30000) {
    return until(what, async () => {
      if (pod.process.over) throw new Error(`${what}: ${pod.process.name} ended (${pod.process.code ?? pod.process.signal}):\n${pod.process.log.slice(-8000)}`)
      return probe()
    }, ms)
  }

  // Ours, in a pod, as the chart's security context has it: not root, no capability, none to be had.
  run(pod, name, args, { program = this.program, ...options } = {}) {
    return this.track(pod, this.network.start(pod, name, AS_CONTAINER[0], [...AS_CONTAINER.slice(1), program, ...args], options))
  }

  command(...args) { return must(this.program, args, { uid: USER, gid: USER, cwd: this.folder }) }

  async startShard(name) {
    const pod = this.shards[name], { program, args } = ofNpm(), data = this.at(`chroma-${name}`), config = this.at(`chroma-${name}.yaml`)
    fs.mkdirSync(data, { recursive: true })
    fs.writeFileSync(config, `persist_path: ${JSON.stringify(data)}\nlisten_address: 0.0.0.0\nport: ${PORT}\n`)
    this.track(pod, this.network.start(pod, `chroma ${name}`, program, [...args, 'run', config], { cwd: this.folder }))
    await this.up(pod, `chroma ${name}`, () => answers(pod, PORT, '/api/v2/heartbeat'))
  }

  // What a pod of the chart's reads, under `root`.
  lay(root, owner, container) { mount(root, this.documents, owner, container, this.secrets) }

  async startAuthority() {
    const owner = find(this.documents, 'StatefulSet', AUTHORITY), { initContainers, containers } = owner.spec.template.spec
    const root = this.at('authority'), pod = this.authority
    if (!pod.root) {
      pod.root = root
      for (const container of initContainers) {
        this.lay(root, owner, container)
        this.command(...container.args.map(a => rooted(root, a)))
      }
      this.lay(root, owner, containers[0])
      this.secrets.trust = { 'bundle.pem': fs.readFileSync(path.join(root, 'var/lib/sallyport/ca/bundle.pem'), 'utf8') }
    }
    const file = this.root(root, 'authority.yaml')
    this.run(pod, 'authority', ['run', '--config', file])
    await this.up(pod, 'the authority', () => answers(pod, 9901, '/readyz'))
  }

  // The configuration that was laid out, as the process sees it that has no root of its own.
  root(root, name) {
    const laid = path.join(root, 'etc/sallyport/config', name), file = path.join(root, name)
    fs.writeFileSync(`${file}.new`, rooted(root, fs.readFileSync(laid, 'utf8')))
    fs.renameSync(`${file}.new`, file)
    return file
  }

  async startGateway(node, { options = [] } = {}) {
    const pod = this.gateways[node], owner = find(this.documents, 'DaemonSet', GATEWAY), root = this.at(`gateway-${node}`)
    if (!pod.root) {
      const [container] = owner.spec.template.spec.containers
      this.lay(root, owner, container)
      Object.assign(pod, { root, identity: container.volumeMounts.find(v => v.name === 'identity').mountPath, account: GATEWAY, file: this.root(root, 'gateway.yaml'), audit: path.join(root, 'var/log/sallyport/audit.jsonl') })
      await this.projectToken(pod)
    }
    this.run(pod, `gateway ${node}`, ['run', '--config', pod.file, ...options])
    await this.up(pod, `gateway ${node}`, () => answers(pod, 9901, '/readyz'))
    return pod
  }

  // connect in the pod, enrolled by the projected token of its service account. As deploy/helm/examples has it, with the node's own gateway first and the
  // other node's after it.
  async startConnect(pod) {
    const root = this.at(`pod-${pod.name}`)
    Object.assign(pod, { root, identity: '/var/run/sallyport' })
    await this.projectToken(pod)
    project(this.under(root, 'etc/sallyport/trust'), this.secrets.trust)
    const example = parse(fs.readFileSync(path.join(repository, 'deploy/helm/examples/team-search/connect.yaml'), 'utf8'))
    const [gateway] = example.connect.gateways
    const other = Object.values(this.network.nodes).find(n => n !== pod.node)
    const config = merge(merge(example, {
      connect: {
        listen: [`127.0.0.1:${PORT}`],
        gateways: [{ ...gateway, address: '$NODE_IP:8443' }, { ...gateway, address: `${other.address}:8443` }],
        token: { endpoint: { scope: 'vectors' } }
      },
      log: { level: 'debug' }
    }), this.connect)
    pod.file = path.join(root, 'connect.yaml')
    fs.writeFileSync(pod.file, rooted(root, yaml(config).trimStart()))
    this.run(pod, `connect ${pod.name}`, ['connect', '--config', pod.file], {
      env: { ...process.env, KUBERNETES_SERVICE_HOST: '10.96.0.1', POD_IP: pod.address, HOST_IP: pod.node.address, NODE_IP: pod.node.address }
    })
    await this.up(pod, `connect ${pod.name}`, () => answers(pod, 9902, '/readyz'))
  }

  under(root, folder) {
    const at = path.join(root, folder)
    fs.mkdirSync(at, { recursive: true })
    return at
  }

  // The token of the pod's service account, as the kubelet projects it, for the authority alone.
  async projectToken(pod) {
    const token = await this.api.token({ namespace: pod.namespace, account: pod.account, pod: { name: `${pod.name}-0`, uid: `uid-of-${pod.name}` } })
    project(this.under(pod.root, pod.identity), { token: `${token}\n` }, { mode: 0o440, group: USER })
  }

  // The application in a pod: a process in its network, with the unmodified client. Returns ask(op, ...args).
  startApp(pod) {
    const child = this.network.start(pod, `app ${pod.name}`, process.execPath, [path.join(repository, 'tests/e2e/drivers/chroma_app.mjs'), `${PORT}`],
      { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], cwd: path.join(repository, 'tests/e2e') })
    this.processes.push(child)
    pod.app = child
    const waiting = new Map()
    let n = 0
    child.child.on('message', m => {
      const { resolve, reject } = waiting.get(m.n)
      waiting.delete(m.n)
      m.error ? reject(Object.assign(new Error(m.error.message), m.error)) : resolve(m.value)
    })
    child.ended.then(() => { for (const { reject } of waiting.values()) reject(new Error(`the application in ${pod.name} ended:\n${child.log}`)) })
    pod.ask = (op, ...args) => new Promise((resolve, reject) => {
      waiting.set(++n, { resolve, reject })
      child.child.send({ n, op, args })
    })
  }

  // Everything, in the order of docs/kubernetes.md.
  async start() {
    await Promise.all([this.startShard('a'), this.startShard('b'), this.startAuthority()])
    await Promise.all([this.startGateway('a'), this.startGateway('b')])
    const pods = Object.values(this.apps)
    for (const pod of pods) this.startApp(pod)
    await Promise.all(pods.map(pod => this.startConnect(pod)))
  }

  // Whether a TCP connection can be made.
  reaches(from, to, port) { return this.network.run(from, 'bash', ['-c', `exec 3<>/dev/tcp/${to.address}/${port}`]).status === 0 }

  // Audit records of a gateway, of all its processes.
  records(node) {
    const { audit } = this.gateways[node], folder = path.dirname(audit)
    const files = fs.readdirSync(folder).filter(f => f.startsWith(path.basename(audit)))
    return files.flatMap(f => fs.readFileSync(path.join(folder, f), 'utf8').split('\n')).flatMap(l => { try { return [JSON.parse(l)] } catch { return [] } }).filter(r => r.kind === 'request')
  }

  // The gateway of a node is replaced by another process, of another program, as a package's update does it: resolves when the old one has ended.
  async upgradeGateway(node) {
    const pod = this.gateways[node], old = pod.process
    this.upgrades = (this.upgrades ?? 0) + 1
    const program = this.at(`sallyport-${this.upgrades}`)
    fs.copyFileSync(this.program, program)
    this.run(pod, `gateway ${node}`, ['run', '--config', pod.file, '--take-over'], { program })
    await this.up(pod, `the next gateway ${node}`, () => /listening on/.test(pod.process.log))
    await until('the old one to end', () => old.over, 60000)
    if (old.code !== 0) throw new Error(`gateway ${node}, replaced, ended with ${old.code ?? old.signal}:\n${old.log.slice(-4000)}`)
  }

  // On the authority, as kubectl exec … sallyport would.
  revoke(...args) { return this.command('token', 'revoke', '--store', path.join(this.authority.root, 'var/lib/sallyport/revoked.db'), ...args) }

  // For a failure: what the programs said, but for audit records.
  get logs() { return this.processes.map(p => ({ ...p, log: p.log.split('\n').filter(l => !l.includes('"kind":"')).join('\n') })) }

  async metrics(pod) {
    const { text } = await ask(pod, 9901, '/metrics')
    return Object.fromEntries(text.split('\n').filter(l => l && !l.startsWith('#')).map(l => [l.slice(0, l.lastIndexOf(' ')), Number(l.slice(l.lastIndexOf(' ') + 1))]))
  }

  // Programs of ours that were not killed end with 0, or a sanitizer has something to say.
  async stop() {
    const bad = new Set()
    const end = async p => {
      const ended = await p.stop(30000)
      if (/^(gateway|connect|authority)/.test(p.name) && !p.killed && ended.code !== 0) bad.add(`${p.name} ended with ${ended.code ?? ended.signal}:\n${ended.log.slice(-4000)}`)
    }
    const of = pattern => Promise.all(this.processes.filter(p => pattern.test(p.name)).map(end))
    await of(/^app/)
    await of(/^connect/)
    await of(/^gateway/)
    await of(/./)
    this.api?.stop()
    this.network?.remove()
    if (bad.size) throw new Error([...bad].join('\n\n'))
  }

  kill(pod) {
    pod.process.killed = true
    pod.process.kill('SIGKILL')
    return pod.process.ended
  }
}
