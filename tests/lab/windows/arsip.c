/* The invented program "Arsip": a service that listens, and what installers of it do besides.

   arsip.exe                      the service; it answers every caller with one line
   arsip.exe end N                ends with N
   arsip.exe ask                  asks a person
   arsip.exe late MS FROM TO      some time later copies a file: a child that goes on when its parent has ended */
#include <winsock2.h>
#include <windows.h>
#include <stdlib.h>
#include <wchar.h>

#ifndef PORT
#define PORT 8110
#endif
#ifndef DIES_MS
#define DIES_MS 0
#endif

static SERVICE_STATUS_HANDLE handle;
static SERVICE_STATUS status = { SERVICE_WIN32_OWN_PROCESS, SERVICE_START_PENDING, 0, 0, 0, 0, 0 };
static HANDLE stopped;

static void tell(DWORD state, DWORD code)
{
    status.dwCurrentState = state;
    status.dwControlsAccepted = state == SERVICE_RUNNING ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_PARAMCHANGE : 0;
    status.dwWin32ExitCode = code;
    SetServiceStatus(handle, &status);
}

static DWORD WINAPI control(DWORD order, DWORD kind, LPVOID data, LPVOID context)
{
    (void)kind, (void)data, (void)context;
    if (order == SERVICE_CONTROL_STOP) {
        tell(SERVICE_STOP_PENDING, 0);
        SetEvent(stopped);
    } else if (order != SERVICE_CONTROL_INTERROGATE && order != SERVICE_CONTROL_PARAMCHANGE) {
        return ERROR_CALL_NOT_IMPLEMENTED;
    }
    return NO_ERROR;
}

static DWORD WINAPI answer(LPVOID given)
{
    SOCKET door = (SOCKET)given;
    for (;;) {
        SOCKET line = accept(door, NULL, NULL);
        if (line == INVALID_SOCKET) return 0;
        send(line, "arsip " VERSION "\n", sizeof("arsip " VERSION "\n") - 1, 0);
        closesocket(line);
    }
}

static void WINAPI serve(DWORD count, LPWSTR *words)
{
    (void)count, (void)words;
    WSADATA data;
    struct sockaddr_in place = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    stopped = CreateEventW(NULL, TRUE, FALSE, NULL);
    handle = RegisterServiceCtrlHandlerExW(L"Arsip", control, NULL);
    tell(SERVICE_START_PENDING, 0);
    WSAStartup(MAKEWORD(2, 2), &data);
    SOCKET door = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(door, (struct sockaddr *)&place, sizeof(place)) || listen(door, 8)) {
        tell(SERVICE_STOPPED, WSAGetLastError());
        return;
    }
    CreateThread(NULL, 0, answer, (LPVOID)door, 0, NULL);
    tell(SERVICE_RUNNING, 0);
    if (WaitForSingleObject(stopped, DIES_MS ? DIES_MS : INFINITE) == WAIT_TIMEOUT) ExitProcess(3);
    closesocket(door);
    tell(SERVICE_STOPPED, 0);
}

int wmain(int count, wchar_t **words)
{
    if (count == 3 && !wcscmp(words[1], L"end")) return _wtoi(words[2]);
    if (count == 2 && !wcscmp(words[1], L"ask"))
        return MessageBoxW(NULL, L"Lanjutkan?", L"Arsip", MB_YESNO) == IDYES ? 0 : 1;
    if (count == 5 && !wcscmp(words[1], L"late")) {
        Sleep(_wtoi(words[2]));
        return !CopyFileW(words[3], words[4], FALSE);
    }
    SERVICE_TABLE_ENTRYW table[] = { { L"Arsip", serve }, { NULL, NULL } };
    return StartServiceCtrlDispatcherW(table) ? 0 : (int)GetLastError();
}
