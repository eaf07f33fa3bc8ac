// Read the rules of a file.

/** Read the rules of a .safetensors or .json file as plain data. Throws an error with a one-line message. */
async function readRules(file) {
  const bytes = new Uint8Array(await file.slice(0, MAX_RULE_BYTES + 1).arrayBuffer());
  const published = /\.json$/i.test(file.name);
  const rules = published ? await readPublished(bytes) : [{ ...readRuleFile(bytes), name: file.name.replace(/\.[^.]*$/, "") }];
  return rules.map((rule) => ({ ...rule, name: ruleLabel(rule.name), opened: true }));
}
