"""Jupyter's own kernel test suite on this kernel: one line of JSON per test, for official-suite.test.ts."""
import json
import sys
import unittest

import jupyter_kernel_test as suite

NAME = sys.argv[1]
# Seconds to wait for a reply. The suite's 15 are too few where many test processes share two cores.
suite.TIMEOUT = 60


class Kernel(suite.KernelTests):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The suite gives a broadcast 0.1 s after its reply: let the type checker finish starting before that counts.
        cls.kc.execute_interactive("0", timeout=120, output_hook=lambda message: None)

    kernel_name = NAME
    language_name = "typescript"
    file_extension = ".ts"
    code_hello_world = "console.log('hello, world')"
    code_stderr = "console.error('test')"
    completion_samples = [
        {"text": "Math.sq", "matches": {"sqrt"}},
        {"text": "[1].flatM", "matches": {"flatMap"}},
    ]
    complete_code_samples = ["1", "let a = 1;", "function f() { return 1 }", "// note", "class A {\n  b = 1;\n}"]
    incomplete_code_samples = ["function f() {", "let x = (1 +", "`abc", "const a = [1,", "/* note"]
    invalid_code_samples = ["let 1 = 2;", "for(;;))", "class { }}"]
    code_generate_error = "throw new Error('boom')"
    code_execute_result = [
        {"code": "6*7", "result": "42"},
        {"code": "[1, 2]", "result": "[ 1, 2 ]"},
        {"code": "await Promise.resolve('x')", "result": "'x'"},
    ]
    code_display_data = [
        {"code": "display({ 'text/html': '<b>x</b>' })", "mime": "text/html"},
        {"code": "display({ 'text/markdown': '*x*', 'text/plain': 'x' })", "mime": "text/markdown"},
    ]
    code_inspect_sample = "Math.sqrt"
    supported_history_operations = ("tail", "range", "search")
    code_history_pattern = "6*"
    code_clear_output = "clearOutput()"


class Welcome(suite.IopubWelcomeTests):
    kernel_name = NAME
    support_iopub_welcome = True


class Lines(unittest.TestResult):
    def report(self, test, outcome, detail=""):
        print(json.dumps({"test": test.id().split(".")[-1], "outcome": outcome, "detail": detail}), flush=True)

    def addSuccess(self, test):
        self.report(test, "passed")

    def addFailure(self, test, err):
        self.report(test, "failed", self._exc_info_to_string(err, test))

    addError = addFailure

    def addSkip(self, test, reason):
        self.report(test, "skipped", reason)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.report(test, "failed", f"{subtest}: {self._exc_info_to_string(err, test)}")


loader = unittest.TestLoader()
cases = unittest.TestSuite([loader.loadTestsFromTestCase(Kernel), loader.loadTestsFromTestCase(Welcome)])
cases.run(Lines())
