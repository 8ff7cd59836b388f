import * as pulumi from "@pulumi/pulumi";
import { configPaths } from "../schema/paths.ts";
import { Home } from "./resources.ts";

/** Who declares: `<project>/<stack>`. */
export const stackOwner = (): string => `${pulumi.getProject()}/${pulumi.getStack()}`;

/** The machine at home as a resource. One a program is enough: pass it to every `Vps`; one that is not given any makes its own. */
export const declareHome = (name = "home", options?: pulumi.CustomResourceOptions): Home =>
  new Home(name, { owner: stackOwner() }, options);

/** A path at home: it follows from the machine of the first `up`, not from the one that this runs on. */
export const pathAtHome = (
  home: Home,
  choose: (paths: ReturnType<typeof configPaths>) => string,
): pulumi.Output<string> => home.config.apply((config) => choose(configPaths(config)));
