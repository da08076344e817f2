// Calls the functions of @ai-sdk/gateway as told on standard input, and prints what came of each as JSON.
import { createGateway, GatewayError } from '@ai-sdk/gateway';

let text = '';
for await (const part of process.stdin) text += part;
const outcomes = [];
for (const { origin, token, call, params } of JSON.parse(text)) {
  const gateway = createGateway({ apiKey: token, baseURL: `${origin}/v4/ai` });
  try {
    outcomes.push({ value: await gateway[call](params) });
  } catch (error) {
    const { name, message, statusCode, type } = error;
    outcomes.push({ error: { name, message, statusCode, type, ofGateway: GatewayError.isInstance(error) } });
  }
}
console.log(JSON.stringify(outcomes));
