// Starts the worker of the panel "Try your own".

import { LiveExplainer } from "./live_explainer.js";

const explainer = new LiveExplainer((message) => postMessage(message));
addEventListener("message", ({ data }) => explainer.receive(data));
