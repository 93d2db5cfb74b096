import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["app/static/vendor/**"] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2023, sourceType: "module", globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "no-undef": "off", // typescript knows better
      "eqeqeq": "error",
      "prefer-const": "error",
      "no-var": "error",
      "no-shadow": "error",
      "no-implicit-coercion": "error",
      "no-unused-expressions": "error",
      "no-restricted-properties": ["error", // text from outside must never become HTML: app/static/dom.js
        { property: "innerHTML" }, { property: "outerHTML" }, { property: "insertAdjacentHTML" }],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-console": "error",
    },
  },
];
