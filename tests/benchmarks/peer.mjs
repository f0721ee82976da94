// One answer from node-llama-cpp: node peer.mjs MODEL TOKENS THREADS PROMPT
import {readFileSync} from "node:fs";
import {getLlama, LlamaChatSession, LlamaLogLevel} from "node-llama-cpp";

const [modelPath, tokens, threads, prompt] = process.argv.slice(2);
const llama = await getLlama({
    gpu: false, build: "never", maxThreads: Number(threads), logLevel: LlamaLogLevel.error
});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({contextSize: 1024, threads: Number(threads)});
const session = new LlamaChatSession({contextSequence: context.getSequence()});
await session.prompt(prompt, {
    maxTokens: Number(tokens), temperature: 0.7, onTextChunk: (text) => process.stdout.write(text)
});
const about = new URL("node_modules/node-llama-cpp/package.json", import.meta.url);
process.stderr.write(`\nversion ${JSON.parse(readFileSync(about, "utf8")).version}\n`);
process.exit(0);
