// SPDX-License-Identifier: GPL-3.0-or-later
// A small cluster's network out of network namespaces: nodes that route, pods that have an interface, an address and a loopback of their own, names in
// /etc/hosts, ports of a node that lead to a pod, and the cluster's NetworkPolicies as rules in front of each pod.
//
//   this machine ── fabric (a bridge) ─┬─ node a ─┬─ pod
//   .1: kubelet, API server            │          └─ pod     a route for each pod, as with Calico: all that a pod
//                                      └─ node b ─── pod     sends goes through its node
//
// Addresses are of 198.18.0.0/15, which is for tests (RFC 2544) and never routed.
import fs from 'node:fs'
import path from 'node:path'
import { run, start } from './program.mjs'

const GATE = '169.254.1.1' // what every pod has for its router
const PREFIX = 'spm'

const quiet = (program, args, options) => { try { return run(program, args, options) } catch { return { status: -1, out: '', err: '' } } }

function shell(script) {
  const { status, err } = run('sh', ['-ec', script])
  if (status !== 0) throw new Error(`${err}\nof\n${script}`)
}

// Why there can be none on this machine; undefined if there can.
export function missing() {
  if (process.getuid() !== 0) return 'needs root: network namespaces'
  for (const [program, args] of [['ip', ['-V']], ['iptables', ['-V']], ['iptables-restore', ['-V']]])
    if (quiet(program, args).status !== 0) return `needs ${program} (Debian: iproute2, iptables)`
  const name = `${PREFIX}${process.pid.toString(36)}-try`
  try {
    shell(`ip netns add ${name}; ip -n ${name} link add veth1 type veth peer name veth2; ip -n ${name} link add br0 type bridge; ip netns exec ${name} iptables -t nat -L -n >/dev/null`)
  } catch (e) {
    return `network namespaces cannot be made here: ${e.message.split('\n')[0]}`
  } finally {
    quiet('ip', ['netns', 'delete', name])
  }
}

const alive = pid => { try { process.kill(pid, 0); return true } catch (e) { return e.code === 'EPERM' } }

// Those of a test process that was killed.
function sweep() {
  for (const name of fs.existsSync('/run/netns') ? fs.readdirSync('/run/netns') : []) {
    const owner = name.match(new RegExp(`^${PREFIX}([0-9a-z]+)-`))
    if (!owner || (parseInt(owner[1], 36) !== process.pid && alive(parseInt(owner[1], 36)))) continue
    quiet('ip', ['netns', 'delete', name])
    fs.rmSync(`/etc/netns/${name}`, { recursive: true, force: true })
  }
}

export class Network {
  static make(nodes) {
    sweep()
    const n = new Network()
    const id = process.pid.toString(36)
    const taken = run('ip', ['-o', '-4', 'addr']).out
    let k = process.pid % 512
    const net = () => `198.${18 + (k >> 8)}.${k & 255}`
    while (taken.includes(` ${net()}.`)) k = (k + 1) % 512
    Object.assign(n, { id, net: net(), own: `${net()}.1`, nodes: {}, pods: {}, hosts: {}, uplink: `${PREFIX}${id}` })
    const fabric = n.name('fabric')
    process.on('exit', () => n.remove())
    let script = `ip netns add ${fabric}
ip -n ${fabric} link add br0 type bridge
ip -n ${fabric} link set br0 up
ip link add ${n.uplink} type veth peer name machine netns ${fabric}
ip -n ${fabric} link set dev machine master br0 up
ip addr add ${n.own}/28 dev ${n.uplink}
ip link set ${n.uplink} up
`
    nodes.forEach((node, i) => {
      const ns = n.name(`node-${node}`), address = `${n.net}.${i + 2}`
      n.nodes[node] = { name: node, ns, address, first: 64 * (i + 1), pods: 0 }
      script += `ip netns add ${ns}
ip -n ${ns} link set lo up
ip -n ${ns} link add eth0 type veth peer name node-${node} netns ${fabric}
ip -n ${fabric} link set dev node-${node} master br0 up
ip -n ${ns} addr add ${address}/28 dev eth0
ip -n ${ns} link set eth0 up
ip netns exec ${ns} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
ip route add ${n.net}.${64 * (i + 1)}/26 via ${address} dev ${n.uplink}
`
    })
    for (const a of Object.values(n.nodes))
      for (const b of Object.values(n.nodes)) if (a !== b) script += `ip -n ${a.ns} route add ${n.net}.${b.first}/26 via ${b.address}\n`
    shell(script)
    return n
  }

  name(of) { return `${PREFIX}${this.id}-${of}` }

  // `namespace` and `labels` are what policies of the network choose it by.
  pod(name, node, { namespace = 'default', labels = {} } = {}) {
    const at = this.nodes[node], ns = this.name(name), address = `${this.net}.${at.first + 1 + at.pods}`, end = `p${at.pods++}`
    shell(`ip netns add ${ns}
ip -n ${ns} link set lo up
ip -n ${ns} link add eth0 type veth peer name ${end} netns ${at.ns}
ip -n ${ns} addr add ${address}/32 dev eth0
ip -n ${ns} link set eth0 up
ip -n ${ns} route add ${GATE} dev eth0
ip -n ${ns} route add default via ${GATE} dev eth0
ip -n ${at.ns} addr add ${GATE}/32 dev ${end}
ip -n ${at.ns} link set ${end} up
ip -n ${at.ns} route add ${address} dev ${end}`)
    return (this.pods[name] = { name, node: at, ns, address, namespace, labels })
  }

  // Names for all pods: { name: address }. Resolvers read them at each use.
  resolve(names) {
    Object.assign(this.hosts, names)
    const text = ['127.0.0.1 localhost', ...Object.entries(this.hosts).map(([name, address]) => `${address} ${name}`)].join('\n')
    for (const { ns } of Object.values(this.pods)) {
      fs.mkdirSync(`/etc/netns/${ns}`, { recursive: true })
      fs.writeFileSync(`/etc/netns/${ns}/hosts`, `${text}\n`) // which `ip netns exec` lays over /etc/hosts
    }
  }

  // hostPort: the port of the pod's node is the pod's.
  publish(pod, port) {
    shell(`ip netns exec ${pod.node.ns} iptables -t nat -A PREROUTING -d ${pod.node.address} -p tcp --dport ${port} -j DNAT --to-destination ${pod.address}:${port}`)
  }

  // The NetworkPolicies among `documents`, as a network plugin does it: a pod that one chooses takes what one lets in, and answers to.
  enforce(documents) {
    const all = Object.values(this.pods)
    const has = (labels, selector) => {
      if (Object.keys(selector ?? {}).some(k => k !== 'matchLabels')) throw new Error(`a selector that is not understood: ${JSON.stringify(selector)}`)
      return Object.entries(selector?.matchLabels ?? {}).every(([k, v]) => labels[k] === v)
    }
    const policies = documents.filter(d => d.kind === 'NetworkPolicy')
    for (const pod of all) {
      const mine = policies.filter(p => p.metadata.namespace === pod.namespace && has(pod.labels, p.spec.podSelector))
      if (mine.length === 0) continue
      const peers = (policy, from) => all.filter(q => {
        if (Object.keys(from).some(k => !['namespaceSelector', 'podSelector'].includes(k))) throw new Error(`a peer that is not understood: ${JSON.stringify(from)}`)
        const namespace = from.namespaceSelector ? has({ 'kubernetes.io/metadata.name': q.namespace }, from.namespaceSelector) : q.namespace === policy.metadata.namespace
        return namespace && has(q.labels, from.podSelector)
      })
      const rules = mine.flatMap(p => p.spec.ingress.flatMap(({ from, ports }) => from.flatMap(f => peers(p, f).flatMap(q =>
        ports.map(({ protocol, port }) => `-A INPUT -s ${q.address} -p ${protocol.toLowerCase()} --dport ${port} -j ACCEPT`)))))
      const { status, err } = run('ip', ['netns', 'exec', pod.ns, 'iptables-restore'], { input: [
        '*filter', ':INPUT ACCEPT', ':FORWARD DROP', ':OUTPUT ACCEPT',
        '-A INPUT -i lo -j ACCEPT', '-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT',
        `-A INPUT -s ${this.own} -j ACCEPT`, // the kubelet's probes
        ...new Set(rules), '-A INPUT -p tcp -j REJECT --reject-with tcp-reset', '-A INPUT -j DROP', 'COMMIT', ''].join('\n') })
      if (status !== 0) throw new Error(err)
    }
  }

  // A program in a pod, as program.mjs starts others.
  start(pod, name, program, args, options) {
    return start(name, 'ip', ['netns', 'exec', pod.ns, program, ...args], options)
  }

  run(pod, program, args) { return run('ip', ['netns', 'exec', pod.ns, program, ...args]) }

  // The cable between a node and the others.
  cable(node, state) { shell(`ip -n ${this.nodes[node].ns} link set eth0 ${state}`) }

  remove() {
    if (this.removed) return
    this.removed = true
    quiet('ip', ['link', 'delete', this.uplink])
    for (const name of fs.readdirSync('/run/netns')) {
      if (!name.startsWith(this.name(''))) continue
      quiet('ip', ['netns', 'delete', name])
      fs.rmSync(path.join('/etc/netns', name), { recursive: true, force: true })
    }
  }
}
