/** Drives the real plugin process over its gRPC protocol, with no engine: plain values in and out. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";
import service from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import statuspb from "@pulumi/pulumi/proto/status_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";

const { Struct } = struct;
const plugin = new URL("../../provider/pulumi-resource-borgpull", import.meta.url).pathname;

// biome-ignore lint/suspicious/noExplicitAny: the generated stubs have no usable types for messages
type Message = any;
export type Plain = Record<string, unknown>;

/** The engine's ErrorResourceInitFailed: recorded although it failed. */
export class InitFailed extends Error {
  readonly id: string;
  readonly outputs: Plain;
  readonly inputs: Plain;
  readonly reasons: readonly string[];
  readonly refreshBeforeUpdate: boolean;
  constructor(detail: Message) {
    super(detail.getReasonsList().join(" "));
    this.id = detail.getId();
    this.outputs = detail.getProperties().toJavaScript();
    this.inputs = detail.getInputs().toJavaScript();
    this.reasons = detail.getReasonsList();
    this.refreshBeforeUpdate = detail.getRefreshBeforeUpdate();
  }
}

export interface Driver extends AsyncDisposable {
  readonly process: ChildProcess;
  handshake(): Promise<{ acceptSecrets: boolean; supportsPreview: boolean }>;
  check(
    type: string,
    news: Plain,
  ): Promise<{ inputs: Plain; failures: { property: string; reason: string }[] }>;
  diff(
    type: string,
    olds: Plain,
    news: Plain,
    name?: string,
  ): Promise<{ changes: boolean; paths: Record<string, string>; replaces: string[] }>;
  create(
    type: string,
    news: Plain,
    preview?: boolean,
    name?: string,
  ): Promise<{ id: string; outputs: Plain; refreshBeforeUpdate: boolean }>;
  read(
    type: string,
    id: string,
    outputs: Plain,
    inputs: Plain,
    name?: string,
  ): Promise<{ id: string; outputs: Plain; inputs: Plain; refreshBeforeUpdate: boolean }>;
  update(
    type: string,
    id: string,
    olds: Plain,
    news: Plain,
    preview?: boolean,
  ): Promise<{ outputs: Plain; refreshBeforeUpdate: boolean }>;
  remove(type: string, id: string, outputs: Plain, inputs: Plain): Promise<void>;
  cancel(): Promise<void>;
}

/** @param executable of another checkout */
export async function startProvider(
  env: Readonly<Record<string, string>> = {},
  executable: string = plugin,
): Promise<Driver> {
  const child = spawn(executable, [], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  const died = once(child, "exit").then(([code]) =>
    Promise.reject(new Error(`the plugin ended with ${code}`)),
  );
  const [port] = await Promise.race([
    once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line"),
    died,
  ]);
  died.catch(() => {}); // later it is ended on purpose
  const client = new service.ResourceProviderClient(
    `127.0.0.1:${port}`,
    grpc.credentials.createInsecure(),
  ) as Message;
  const call = (name: string, request: Message): Promise<Message> =>
    new Promise((resolve, reject) =>
      client[name](request, (error: grpc.ServiceError | null, answer: Message) =>
        error ? reject(understand(error)) : resolve(answer),
      ),
    );
  const request = (
    Type: Message,
    type: string,
    fields: Readonly<Record<string, unknown>>,
    name = "it",
  ): Message => {
    const message = new Type();
    message.setUrn(`urn:pulumi:test::borgpull::${type}::${name}`);
    message.setType?.(type);
    for (const [name, value] of Object.entries(fields)) {
      message[`set${name}`](
        value !== null && typeof value === "object" ? Struct.fromJavaScript(value as never) : value,
      );
    }
    return message;
  };
  return {
    process: child,
    handshake: async () => {
      const shake = await call("handshake", new pb.ProviderHandshakeRequest());
      const configured = await call("configure", new pb.ConfigureRequest());
      return { acceptSecrets: shake.getAcceptSecrets(), supportsPreview: configured.getSupportspreview() };
    },
    check: async (type, news) => {
      const answer = await call("check", request(pb.CheckRequest, type, { News: news }));
      return {
        inputs: answer.getInputs().toJavaScript(),
        failures: answer
          .getFailuresList()
          .map((f: Message) => ({ property: f.getProperty(), reason: f.getReason() })),
      };
    },
    diff: async (type, olds, news, name) => {
      const answer = await call("diff", request(pb.DiffRequest, type, { Olds: olds, News: news }, name));
      const kinds = Object.entries(pb.PropertyDiff.Kind);
      const paths: [string, string][] = [];
      answer.getDetaileddiffMap().forEach((d: Message, path: string) => {
        paths.push([path, kinds.find(([, number]) => number === d.getKind())?.[0] ?? "?"]);
      });
      return {
        changes: answer.getChanges() === pb.DiffResponse.DiffChanges.DIFF_SOME,
        paths: Object.fromEntries(paths),
        replaces: answer.getReplacesList(),
      };
    },
    create: async (type, news, preview = false, name = "it") => {
      const answer = await call(
        "create",
        request(pb.CreateRequest, type, { Properties: news, Preview: preview }, name),
      );
      return {
        id: answer.getId(),
        outputs: answer.getProperties().toJavaScript(),
        refreshBeforeUpdate: answer.getRefreshBeforeUpdate(),
      };
    },
    read: async (type, id, outputs, inputs, name) => {
      const answer = await call(
        "read",
        request(pb.ReadRequest, type, { Id: id, Properties: outputs, Inputs: inputs }, name),
      );
      return {
        id: answer.getId(),
        outputs: answer.getProperties()?.toJavaScript() ?? {},
        inputs: answer.getInputs()?.toJavaScript() ?? {},
        refreshBeforeUpdate: answer.getRefreshBeforeUpdate(),
      };
    },
    update: async (type, id, olds, news, preview = false) => {
      const answer = await call(
        "update",
        request(pb.UpdateRequest, type, { Id: id, Olds: olds, News: news, Preview: preview }),
      );
      return {
        outputs: answer.getProperties().toJavaScript(),
        refreshBeforeUpdate: answer.getRefreshBeforeUpdate(),
      };
    },
    remove: async (type, id, outputs, inputs) => {
      await call(
        "delete",
        request(pb.DeleteRequest, type, { Id: id, Properties: outputs, OldInputs: inputs }),
      );
    },
    cancel: async () => void (await call("cancel", new empty.Empty())),
    [Symbol.asyncDispose]: async () => {
      client.close();
      const ended = child.exitCode === null ? once(child, "exit") : undefined;
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** gRPC's error, or the recorded failure that its details hold. */
function understand(error: grpc.ServiceError): Error {
  const details = error.metadata?.get("grpc-status-details-bin")[0];
  if (!details) return new Error(error.details);
  const status = statuspb.Status.deserializeBinary(Buffer.from(details as Buffer)) as Message;
  const any = status.getDetailsList()[0];
  return new InitFailed(pb.ErrorResourceInitFailed.deserializeBinary(any.getValue_asU8()));
}
