// Answers policy simulations, one JSON document a line on stdin, one result a line on stdout.
// Usage: node policy_simulator.mjs DIRECTORY_WITH_NODE_MODULES
//
// It asks the package's inner `authorize`: the public functions drop condition keys that no service has, or session policies.
import path from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const packages = path.join(path.resolve(process.argv[2]), "node_modules", "@cloud-copilot");
const load = (...parts) => import(pathToFileURL(path.join(packages, ...parts)).href);
const esm = (...parts) => load("iam-simulate", "dist", "esm", ...parts);

const { authorize } = await esm("core_engine", "CoreSimulatorEngine.js");
const { AwsRequestImpl } = await esm("request", "request.js");
const { RequestContextImpl } = await esm("requestContext.js");
const { DiscoveryContextKeyConstraints } = await esm("context_keys", "discoveryContextKeyConstraints.js");
const { loadPolicy } = await load("iam-policy", "dist", "esm", "index.js");

const named = (policies) => policies.map(({ name, policy }) => loadPolicy(policy, { name }));
const optional = (policy, name) => (policy ? loadPolicy(policy, { name }) : undefined);

function simulate({ request, ...given }) {
  return authorize({
    request: new AwsRequestImpl(
      request.principal,
      request.resource,
      request.action,
      new RequestContextImpl(request.contextVariables),
    ),
    sessionPolicy: optional(given.sessionPolicy, "session"),
    identityPolicies: named(given.identityPolicies),
    serviceControlPolicies: given.serviceControlPolicies.map(({ orgIdentifier, policies }) => ({
      orgIdentifier,
      policies: named(policies),
    })),
    resourceControlPolicies: [],
    resourcePolicy: optional(given.resourcePolicy, "resource"),
    permissionBoundaries: given.permissionBoundaryPolicies && named(given.permissionBoundaryPolicies),
    vpcEndpointPolicies: undefined,
    simulationParameters: {
      simulationMode: "Strict",
      discoveryContextKeyConstraints: new DiscoveryContextKeyConstraints([]),
    },
    serviceSettings: { s3: {} },
  }).result;
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = simulate(JSON.parse(line));
  } catch (error) {
    answer = `error: ${error.message}`;
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
