#!/usr/bin/env node
// A client of syncd for Node.js, without packages: what "Write a client in an
// afternoon" in proto/PROTOCOL.md asks for.
//
//   client.js call METHOD [PARAMS]      prints the result
//   client.js work QUEUE COMMAND...     runs it on each job, its body on stdin,
//                                       until the queue is closed
//   client.js lock NAME COMMAND...      runs it under the lock
//
// As a module it exports Client: any number of requests at once, a session that
// is taken up again after a restart of the daemon, and waits that can be ended.
'use strict';

const {spawn} = require('node:child_process');
const net = require('node:net');

const PAUSE_FIRST_MS = 10;
const PAUSE_MAX_MS = 1000;

class ReplyError extends Error {
    constructor(error) {
        super(error.message);
        this.code = error.code;
        this.data = error.data || {};
        this.name = this.data.name || 'error';
    }
}

class SessionLost extends Error {}

class Client {
    // grace: seconds that what is held outlives a restart of the daemon.
    constructor(path = process.env.SYNCD_SOCKET, {grace = 30} = {}) {
        this.path = path;
        this.grace = grace;
        this.nextId = 1;
        this.calls = new Map(); // by id, in the order asked: {line, ...}
        this.session = null;    // {session, secret}
        this.up = false;
        this.closed = false;
        this.connect(Date.now());
    }

    // The result of a method. `signal`, of an AbortController, ends its wait.
    call(method, params = {}, {signal} = {}) {
        const id = this.nextId++;
        const line = JSON.stringify({jsonrpc: '2.0', id, method, params});
        return new Promise((resolve, reject) => {
            this.calls.set(id, {line, resolve, reject});
            if (this.up) {
                this.socket.write(line + '\n');
            }
            if (signal) {
                signal.addEventListener('abort', () => this.cancel(id));
            }
        });
    }

    // It gets exactly one answer: what it was just granted, or `cancelled`.
    cancel(id) {
        if (this.calls.has(id)) {
            this.call('session.cancel', {request: id}).catch(() => {});
        }
    }

    // What the session holds is free.
    close() {
        this.closed = true;
        this.socket.end();
    }

    connect(since, pause = PAUSE_FIRST_MS) {
        let rest = '';
        this.socket = net.createConnection(this.path);
        this.socket.setEncoding('utf8');
        this.socket.on('connect', () => this.open());
        this.socket.on('data', (text) => {
            const lines = (rest + text).split('\n');
            rest = lines.pop();
            lines.forEach((line) => this.take(JSON.parse(line)));
        });
        this.socket.on('error', () => {}); // 'close' follows
        this.socket.on('close', () => this.reconnect(since, pause));
    }

    // The hello has an id of its own, and goes before everything else.
    open() {
        const params = {client: 'client.js', grace: this.grace};
        if (this.session) {
            params.resume = this.session;
        }
        this.helloId = this.nextId++;
        this.socket.write(JSON.stringify({jsonrpc: '2.0', id: this.helloId,
            method: 'session.open', params}) + '\n');
    }

    take(reply) {
        if (reply.id === this.helloId) {
            this.opened(reply);
            return;
        }
        const call = this.calls.get(reply.id);
        if (reply.error && reply.error.data.name === 'unavailable') {
            return; // it shuts down: the call is for the next connection
        }
        this.calls.delete(reply.id);
        if (reply.error) {
            call.reject(new ReplyError(reply.error));
        } else {
            call.resolve(reply.result);
        }
    }

    opened({result, error}) {
        if (error) {
            this.socket.end(); // it shuts down: try again
            return;
        }
        if (this.session && !result.resumed) {
            this.lose();
        }
        this.session = {session: result.session, secret: result.secret};
        this.up = true;
        // What had no answer is sent again under its id, and so done once.
        for (const {line} of this.calls.values()) {
            this.socket.write(line + '\n');
        }
    }

    reconnect(since, pause) {
        const now = Date.now();
        since = this.up ? now : since;
        this.up = false;
        if (this.closed || now - since > 1000 * this.grace) {
            this.lose();
        } else {
            setTimeout(() => this.connect(since,
                Math.min(2 * pause, PAUSE_MAX_MS)), pause);
        }
    }

    lose() {
        for (const call of this.calls.values()) {
            call.reject(new SessionLost('the session is lost, and what it ' +
                'held is free; this call may have been carried out'));
        }
        this.calls.clear();
        this.session = null;
    }
}

// A command's exit status; `text` is its input.
function run([program, ...args], text, env = {}) {
    return new Promise((resolve, reject) => {
        const child = spawn(program, args, {
            stdio: ['pipe', 'inherit', 'inherit'],
            env: {...process.env, ...env}});
        child.on('error', reject);
        child.on('close', (status) => resolve(status));
        child.stdin.on('error', () => {}); // it need not read it
        child.stdin.end(text);
    });
}

async function work(client, queue, command) {
    for (;;) {
        let jobs;
        try {
            ({jobs} = await client.call('queue.get', {queue}));
        } catch (error) {
            if (error.name === 'queue_closed') {
                return 0;
            }
            throw error;
        }
        const {id, token, body} = jobs[0];
        const status = await run(command, typeof body === 'string' ? body :
            JSON.stringify(body));
        if (status === 0) {
            await client.call('queue.done', {id, token});
        } else {
            await client.call('queue.fail', {id, token, error: {status}});
        }
    }
}

async function lock(client, name, command) {
    const {token} = await client.call('lock.acquire', {lock: name});
    const status = await run(command, '', {SYNCD_TOKEN: String(token)});
    await client.call('lock.release', {lock: name});
    return status;
}

async function main([command, name, ...rest]) {
    const client = new Client();
    let status = 0;
    try {
        if (command === 'call') {
            const result = await client.call(name,
                JSON.parse(rest[0] || '{}'));
            console.log(JSON.stringify(result));
        } else if (command === 'work') {
            status = await work(client, name, rest);
        } else if (command === 'lock') {
            status = await lock(client, name, rest);
        } else {
            console.error('usage: client.js call METHOD [PARAMS] | ' +
                'work QUEUE COMMAND... | lock NAME COMMAND...');
            status = 2;
        }
    } catch (error) {
        console.error(error.message);
        status = error instanceof SessionLost ? 69 : 1;
    }
    client.close();
    process.exitCode = status;
}

module.exports = {Client, ReplyError, SessionLost};
if (require.main === module) {
    main(process.argv.slice(2));
}
