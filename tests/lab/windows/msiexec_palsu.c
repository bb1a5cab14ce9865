/* A fake msiexec ("palsu"): it ends as C:\palsu.txt says, one line a call, and says that it is a fake.

   1618        ends with that, and does nothing
   real 3010   lets the real one do its work, and ends with that
   Without a line left the real one does its work and ends as it does. */
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static int let_the_real_one(void)
{
    static wchar_t line[32768];
    STARTUPINFOW startup = { .cb = sizeof(startup) };
    PROCESS_INFORMATION made;
    DWORD code = 0;
    const wchar_t *given = GetCommandLineW();
    given = *given == L'"' ? wcschr(given + 1, L'"') + 1 : given + wcscspn(given, L" ");
    swprintf(line, 32768, L"msiexec.exe%ls", given);
    if (!CreateProcessW(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &made)) {
        printf("tidak dapat dijalankan: %lu\n", GetLastError());
        return 1603;
    }
    WaitForSingleObject(made.hProcess, INFINITE);
    GetExitCodeProcess(made.hProcess, &code);
    printf("yang asli berakhir dengan %lu\n", code);
    return code;
}

int wmain(void)
{
    char rows[64][32] = { { 0 } };
    int count = 0, at;
    FILE *file = fopen("C:\\palsu.txt", "r");
    while (file && count < 64 && fgets(rows[count], sizeof(rows[0]), file)) count++;
    if (file) fclose(file);
    puts("msiexec palsu");
    if (!count) return let_the_real_one();
    file = fopen("C:\\palsu.txt", "w");
    for (at = 1; file && at < count; at++) fputs(rows[at], file);
    if (file) fclose(file);
    if (strncmp(rows[0], "real ", 5)) return atoi(rows[0]);
    let_the_real_one();
    return atoi(rows[0] + 5);
}
