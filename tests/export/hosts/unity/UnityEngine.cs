// The part of Unity's interface that the script uses, for a compiler.
using System;

namespace UnityEngine
{
    [AttributeUsage(AttributeTargets.Field)]
    public class TooltipAttribute : Attribute { public TooltipAttribute(string text) { } }
    [AttributeUsage(AttributeTargets.Field)]
    public class RangeAttribute : Attribute { public RangeAttribute(float min, float max) { } }

    public struct Vector2 { public float x, y; }
    public struct Vector3 { }
    public struct Vector4
    {
        public static Vector4 zero => default(Vector4);
        public Vector4(float x, float y, float z, float w) { }
    }
    public struct Color { public static Color clear => default(Color); }
    public struct Ray { }
    public struct RaycastHit { public Transform transform => null; public Vector2 textureCoord => default(Vector2); }

    public class Object { public static void Destroy(Object what) { } }
    public class Component : Object
    {
        public Transform transform => null;
        public T GetComponent<T>() where T : class => null;
    }
    public class Transform : Component { }
    public class MonoBehaviour : Component { }
    public class Renderer : Component { public Material material => null; }
    public class Camera : Component
    {
        public static Camera main => null;
        public Ray ScreenPointToRay(Vector3 place) => default(Ray);
    }
    public class Shader : Object { }
    public class Material : Object
    {
        public Material(Shader shader) { }
        public Texture mainTexture { get; set; }
        public int GetInteger(string name) => 0;
        public void SetInteger(string name, int value) { }
        public void SetFloat(string name, float value) { }
        public void SetVector(string name, Vector4 value) { }
        public void SetTexture(string name, Texture value) { }
    }
    public class Texture : Object
    {
        public FilterMode filterMode { get; set; }
        public TextureWrapMode wrapMode { get; set; }
    }
    public class RenderTexture : Texture { public void Release() { } }
    public class CustomRenderTexture : RenderTexture
    {
        public CustomRenderTexture(int width, int height, RenderTextureFormat format) { }
        public CustomRenderTexture(
            int width, int height, RenderTextureFormat format, RenderTextureReadWrite mode) { }
        public Material material { get; set; }
        public int shaderPass { get; set; }
        public bool doubleBuffered { get; set; }
        public CustomRenderTextureUpdateMode updateMode { get; set; }
        public Color initializationColor { get; set; }
        public void Initialize() { }
        public void Update(int count = 1) { }
    }

    public enum FilterMode { Point, Bilinear }
    public enum TextureWrapMode { Repeat, Clamp }
    public enum RenderTextureFormat { ARGB32, ARGBFloat }
    public enum RenderTextureReadWrite { Linear }
    public enum CustomRenderTextureUpdateMode { OnDemand }

    public static class Input
    {
        public static Vector3 mousePosition => default(Vector3);
        public static bool GetMouseButton(int button) => false;
    }
    public static class Physics
    {
        public static bool Raycast(Ray ray, out RaycastHit hit) { hit = default(RaycastHit); return false; }
    }
}
