// Read the rules of a file.

/** The rules of a .safetensors or .json file, as plain data. Throws an error of one line. */
async function readRules(file) {
  const bytes = new Uint8Array(await file.slice(0, MAX_RULE_BYTES + 1).arrayBuffer());
  const published = /\.json$/i.test(file.name);
  const rules = published ? await readPublished(bytes) : [{ ...readRuleFile(bytes), name: file.name.replace(/\.[^.]*$/, "") }];
  return rules.map((rule) => ({ ...rule, name: ruleLabel(rule.name), opened: true }));
}
