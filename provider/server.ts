/**
 * The protocol between the Pulumi engine and our kinds, and nothing else: protobuf in, plain values out, and back.
 * Messages: pulumi/pulumi, proto/pulumi/provider.proto at 3.259.
 */
import * as grpc from "@grpc/grpc-js";
import enginesvc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import enginepb from "@pulumi/pulumi/proto/engine_pb.js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import service from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import statuspb from "@pulumi/pulumi/proto/status_pb.js";
import anypb from "google-protobuf/google/protobuf/any_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import type { Hosts } from "../remote/pool.ts";
import { describe } from "../schema/errors.ts";
import type { Context } from "./kind.ts";
import { InitFailed, type Lifecycle } from "./lifecycle.ts";
import type { Values } from "./values.ts";

const { Empty } = empty;
const { Struct } = struct;

/** The stubs are CommonJS without usable types for messages: this file alone works with them untyped. */
// biome-ignore lint/suspicious/noExplicitAny: see above
type Message = any;

const values = (message: Message): Values => (message ? message.toJavaScript() : {}) as Values;
const pack = (plain: Values): Message => Struct.fromJavaScript(plain as Record<string, never>);

export interface ServerOptions {
  readonly version: string;
  /** Type token -> kind. */
  readonly kinds: Readonly<Record<string, Lifecycle>>;
  readonly hosts: Hosts;
  readonly signal: AbortSignal;
  /** The engine's own address, for messages; none when driven by a test. */
  readonly engine: string | undefined;
  /** Called on the engine's Cancel. */
  readonly cancel: () => void;
}

export interface Server {
  readonly port: number;
  /** Takes no more calls, and resolves when those under way are answered. */
  close(): Promise<void>;
}

/** Serves the protocol on a free port of the loopback interface. */
export async function serve(options: ServerOptions): Promise<Server> {
  const contextOf = contexts(options);
  const kindOf = (type: string): Lifecycle => {
    const kind = options.kinds[type];
    if (!kind) throw new Error(`borgpull has no resource type ${type}`);
    return kind;
  };
  const handlers = {
    handshake: async () => {
      const answer = new pb.ProviderHandshakeResponse();
      answer.setAcceptSecrets(true);
      answer.setAcceptResources(false);
      return answer;
    },
    checkConfig: async (request: Message) => {
      const answer = new pb.CheckResponse();
      answer.setInputs(request.getNews());
      return answer;
    },
    diffConfig: async () => {
      const answer = new pb.DiffResponse();
      answer.setChanges(pb.DiffResponse.DiffChanges.DIFF_NONE);
      return answer;
    },
    configure: async () => {
      const answer = new pb.ConfigureResponse();
      answer.setAcceptsecrets(true);
      answer.setSupportspreview(true); // a provider that shakes hands must answer both with true
      return answer;
    },
    getPluginInfo: async () => {
      const answer = new plugin.PluginInfo();
      answer.setVersion(options.version);
      return answer;
    },
    attach: async () => new Empty(),
    cancel: async () => {
      options.cancel();
      return new Empty();
    },
    check: async (request: Message) => {
      const { inputs, failures } = kindOf(request.getType()).check(values(request.getNews()));
      const answer = new pb.CheckResponse();
      answer.setInputs(pack(inputs));
      for (const { property, reason } of failures) {
        const failure = new pb.CheckFailure();
        failure.setProperty(property);
        failure.setReason(reason);
        answer.addFailures(failure);
      }
      return answer;
    },
    diff: async (request: Message) => {
      const diff = kindOf(request.getType()).diff(values(request.getOlds()), values(request.getNews()));
      const answer = new pb.DiffResponse();
      const { DIFF_SOME, DIFF_NONE } = pb.DiffResponse.DiffChanges;
      const some = Object.keys(diff).length > 0 || contextOf(request).unread.has(request.getUrn());
      answer.setChanges(some ? DIFF_SOME : DIFF_NONE);
      answer.setHasdetaileddiff(true);
      for (const [path, { kind }] of Object.entries(diff)) {
        const property = new pb.PropertyDiff();
        property.setKind(pb.PropertyDiff.Kind[kind]);
        property.setInputdiff(false); // the old value is the live one, from the outputs
        answer.getDetaileddiffMap().set(path, property);
        const name = path.split(/[.[]/)[0] as string;
        answer.addDiffs(name);
        if (kind.endsWith("_REPLACE")) answer.addReplaces(name);
      }
      return answer;
    },
    create: async (request: Message) => {
      const { id, outputs } = await kindOf(request.getType()).create(
        values(request.getProperties()),
        request.getPreview(),
        contextOf(request),
      );
      const answer = new pb.CreateResponse();
      answer.setId(id);
      answer.setProperties(pack(outputs));
      answer.setRefreshBeforeUpdate(true);
      return answer;
    },
    read: async (request: Message) => {
      const state = await kindOf(request.getType()).read(
        request.getId(),
        values(request.getProperties()),
        values(request.getInputs()),
        contextOf(request),
      );
      const answer = new pb.ReadResponse(); // no id: the resource is gone
      if (state) {
        answer.setId(request.getId());
        answer.setProperties(pack(state.outputs));
        answer.setInputs(pack(state.inputs));
        answer.setRefreshBeforeUpdate(true);
      }
      return answer;
    },
    update: async (request: Message) => {
      const outputs = await kindOf(request.getType()).update(
        request.getId(),
        values(request.getOlds()),
        values(request.getNews()),
        request.getPreview(),
        contextOf(request),
      );
      const answer = new pb.UpdateResponse();
      answer.setProperties(pack(outputs));
      answer.setRefreshBeforeUpdate(true);
      return answer;
    },
    delete: async (request: Message) => {
      await kindOf(request.getType()).remove(
        values(request.getProperties()),
        values(request.getOldInputs()),
        contextOf(request),
      );
      return new Empty();
    },
  };
  const server = new grpc.Server({ "grpc.max_receive_message_length": 400 << 20 });
  const underWay = new Set<Promise<void>>();
  server.addService(service.ResourceProviderService, unaryAll(handlers, underWay));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return {
    port,
    close: async () => {
      // Not tryShutdown: it now and then waits for a connection that the engine has closed already.
      await Promise.all(underWay);
      server.forceShutdown();
    },
  };
}

function unaryAll(
  handlers: Readonly<Record<string, (request: Message) => Promise<Message>>>,
  underWay: Set<Promise<void>>,
) {
  const unary =
    (handler: (request: Message) => Promise<Message>): grpc.handleUnaryCall<Message, Message> =>
    (call, callback) => {
      const answered = handler(call.request)
        .then(
          (answer) => callback(null, answer),
          (error) => callback(statusOf(error)),
        )
        .finally(() => underWay.delete(answered));
      underWay.add(answered);
    };
  return Object.fromEntries(Object.entries(handlers).map(([name, handler]) => [name, unary(handler)]));
}

/** An error as the engine takes it: UNKNOWN, and for a recorded failure the ErrorResourceInitFailed detail. */
function statusOf(error: unknown): Partial<grpc.ServiceError> {
  const metadata = new grpc.Metadata();
  if (error instanceof InitFailed) {
    const detail = new pb.ErrorResourceInitFailed();
    detail.setId(error.id);
    detail.setProperties(pack(error.outputs));
    detail.setInputs(pack(error.inputs));
    detail.setReasonsList([...error.reasons]);
    detail.setRefreshBeforeUpdate(true); // else the engine stores false, and drift is invisible from then on
    const any = new anypb.Any();
    any.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
    const status = new statuspb.Status();
    status.setCode(grpc.status.UNKNOWN);
    status.setMessage(error.message);
    status.addDetails(any);
    metadata.add("grpc-status-details-bin", Buffer.from(status.serializeBinary()));
  }
  return { code: grpc.status.UNKNOWN, details: describe(error), metadata };
}

function contexts({ engine, hosts, signal }: ServerOptions): (request: Message) => Context {
  const client = engine ? new enginesvc.EngineClient(engine, grpc.credentials.createInsecure()) : undefined;
  const said = new Set<string>();
  const first = (text: string) => said.size < said.add(text).size;
  const made = new Map<string, string>();
  const unread = new Set<string>();
  const log = (urn: string, text: string, ephemeral: boolean): Promise<void> => {
    const request = new enginepb.LogRequest();
    request.setSeverity(ephemeral ? enginepb.LogSeverity.INFO : enginepb.LogSeverity.WARNING);
    request.setMessage(text);
    request.setUrn(urn);
    request.setEphemeral(ephemeral);
    return new Promise((done) => (client ? client.log(request, () => done()) : done()));
  };
  return (request) => {
    const urn: string = request.getUrn();
    return {
      hosts,
      signal,
      urn,
      made,
      status: (text) => void log(urn, text, true),
      warn: (text) => log(urn, text, false),
      warnOnce: async (text) => {
        if (first(text)) await log(urn, text, false);
      },
      first,
      unread,
    };
  };
}
