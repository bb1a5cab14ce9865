/* Starts one command of a WinRM shell and reports its whole exit code: on Windows this is winrshost.exe.
 *
 * winrshost.exe FILE: FILE holds, each ended by a zero, in UTF-16: the pipes for the report, for stdin, stdout and
 * stderr, the folder to start in, the command line, "1" where processes may break away from the job, and the
 * environment as NAME=VALUE. (Streams of our own would stay open as long as we live: Wine keeps their descriptors.)
 * The report is one line: "s ERROR" once it is started (0) or could not be, then "x CODE".
 * The job lives as long as this process: whoever ends it ends every process of the command that is still in the job.
 */
#ifndef UNICODE
#define UNICODE
#endif
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>

static WCHAR *field(WCHAR **at)
{
    WCHAR *value = *at;
    *at += lstrlenW(value) + 1;
    return value;
}

static HANDLE pipe_end(WCHAR *path, DWORD access)
{
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    return CreateFileW(path, access, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0, NULL);
}

static void report(HANDLE to, char kind, DWORD value)
{
    char line[32];
    DWORD written;
    WriteFile(to, line, sprintf(line, "%c %lu\n", kind, value), &written, NULL);
}

int wmain(int argc, WCHAR **argv)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    JOBOBJECT_BASIC_ACCOUNTING_INFORMATION left;
    STARTUPINFOW startup = {sizeof startup};
    PROCESS_INFORMATION process;
    HANDLE file, to, job;
    WCHAR *text, *at, *folder, *command;
    DWORD size, got, code;

    if (argc != 2) return 2;
    file = CreateFileW(argv[1], GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE) return 3;
    size = GetFileSize(file, NULL);
    at = text = calloc(size + 4, 1);
    ReadFile(file, text, size, &got, NULL);
    CloseHandle(file);

    to = CreateFileW(field(&at), GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
    if (to == INVALID_HANDLE_VALUE) return 4;
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdInput = pipe_end(field(&at), GENERIC_READ);
    startup.hStdOutput = pipe_end(field(&at), GENERIC_WRITE);
    startup.hStdError = pipe_end(field(&at), GENERIC_WRITE);
    folder = field(&at);
    command = field(&at);
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (field(&at)[0] == '1') limits.BasicLimitInformation.LimitFlags |= JOB_OBJECT_LIMIT_BREAKAWAY_OK;
    job = CreateJobObjectW(NULL, NULL);
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);

    while (*at) {
        WCHAR *name = field(&at), *value = wcschr(name, '=');
        if (!value) continue;
        *value = 0;
        SetEnvironmentVariableW(name, value + 1);
    }
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, CREATE_SUSPENDED | CREATE_NO_WINDOW, NULL,
                        *folder ? folder : NULL, &startup, &process)) {
        report(to, 's', GetLastError());
        return 0;
    }
    AssignProcessToJobObject(job, process.hProcess);
    report(to, 's', 0);
    ResumeThread(process.hThread);
    CloseHandle(startup.hStdInput);
    CloseHandle(startup.hStdOutput);
    CloseHandle(startup.hStdError);
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    report(to, 'x', code);
    CloseHandle(to);
    for (;;) { /* what the command left running stays for as long as its shell */
        if (!QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &left, sizeof left, NULL)) break;
        if (!left.ActiveProcesses) break;
        Sleep(500);
    }
    return 0;
}
