/* python.exe as CPython's own PC/python.c has it: everything is in python311.dll. */
#include <wchar.h>

int Py_Main(int argc, wchar_t **argv);

int wmain(int argc, wchar_t **argv)
{
    return Py_Main(argc, argv);
}
